"""Where files of a record are listed and read."""

DOORS = (
    "/api/records/{id}/files",
    "/api/records/{id}/files/secret.txt",
    "/api/records/{id}/files/secret.txt/content",
    "/records/{id}/files/secret.txt",
    "/records/{id}/files/secret.txt?download=1",
    "/api/records/{id}/files-archive",
)
