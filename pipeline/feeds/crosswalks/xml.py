"""Building XML elements whose every text is allowed in XML 1.0."""

from __future__ import annotations

from lxml.etree import Element, QName, SubElement, _Element

from pipeline.metadata.text import clean

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def root(namespace: str, name: str, schema: str, prefix: str | None = None) -> _Element:
    """The outermost element of a namespace, with the schema that it follows."""
    element = Element(f"{{{namespace}}}{name}", nsmap={prefix: namespace, "xsi": XSI})
    element.set(f"{{{XSI}}}schemaLocation", f"{namespace} {schema}")
    return element


def add(parent: _Element, name: str, text: str | None = None, **attributes: str | None) -> _Element:
    """A child of the parent's namespace; attributes that are None are left out, `lang` is `xml:lang`."""
    child = SubElement(parent, QName(QName(parent).namespace, name))
    if text is not None:
        child.text = clean(text)
    for key, value in attributes.items():
        if value is not None:
            child.set(XML_LANG if key == "lang" else key, clean(value))
    return child
