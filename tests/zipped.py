"""Archives in archives."""

import io
import zipfile


def zipped(content: bytes, depth: int = 1) -> bytes:
    """An archive in an archive …, the innermost of which has the content, compressed."""
    for _ in range(depth):
        outer = io.BytesIO()
        with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner", content)
        content = outer.getvalue()
    return content


TOO_DEEP = zipped(b"", depth=60)
"""Deeper than scanners look."""
