"""DICOM JSON of a store's answer as XML, in the form that the Google API sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from pydicom.datadict import keyword_for_tag

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["as_xml"]


def as_xml(data: Mapping[str, Any]) -> bytes:
    """A data set of texts, numbers and sequences as ``<NativeDicomModel>``, UTF-8.

    The root has no namespace, other than PS3.19 section A.1 has it, and no declaration stands
    before it.
    """
    root = ElementTree.Element("NativeDicomModel")
    _fill(root, data)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode").encode()


def _fill(parent: ElementTree.Element, data: Mapping[str, Any]) -> None:
    for tag, element in sorted(data.items()):
        names = {"tag": tag, "vr": element["vr"]}
        if keyword := keyword_for_tag(tag):
            names["keyword"] = keyword
        attribute = ElementTree.SubElement(parent, "DicomAttribute", names)
        kind = "Item" if element["vr"] == "SQ" else "Value"
        for number, value in enumerate(element.get("Value", ()), 1):
            child = ElementTree.SubElement(attribute, kind, {"number": str(number)})
            if kind == "Item":
                _fill(child, value)
            else:
                child.text = str(value)
