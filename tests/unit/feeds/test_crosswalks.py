"""Every record can be written in every format, and the XML ones follow their schemas."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from lxml import etree

from pipeline.feeds import crosswalks
from pipeline.feeds.crosswalks import facts
from tests.reference import reference
from tests.strategies import disseminations

if TYPE_CHECKING:
    from pipeline.dissemination import Dissemination

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def schema(*parts: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(reference("testdata", *parts)))


def reparsed(element: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(element))


@given(disseminations())
@many
def test_datacite_xml_is_valid(d: Dissemination) -> None:
    """The DataCite XML of any publishable record follows the schema of kernel 4.7."""
    schema("datacite", "kernel-4.7", "metadata.xsd").assertValid(reparsed(crosswalks.datacite_xml(d)))


@given(disseminations())
@many
def test_oai_payloads_are_valid(d: Dissemination) -> None:
    """What OAI-PMH carries follows the schemas of oai_dc and of DataCite's wrapper."""
    all_schemas = schema("oai-pmh", "all.xsd")
    all_schemas.assertValid(reparsed(crosswalks.oai_dc(d)))
    all_schemas.assertValid(reparsed(crosswalks.oai_datacite(d)))


@given(disseminations())
@many
def test_json_forms_are_json(d: Dissemination) -> None:
    """All JSON forms hold nothing that JSON has no word for, and read back as written."""
    forms = [
        crosswalks.datacite_json(d),
        crosswalks.schema_org(d),
        crosswalks.csl_json(d),
        crosswalks.zenodo_json(d, files_open=True),
        crosswalks.rdm_json(d, files_open=True),
    ]
    for form in forms:
        assert json.loads(json.dumps(form, allow_nan=False)) == form


@given(disseminations())
@many
def test_citation_is_one_line(d: Dissemination) -> None:
    """A citation is one line that ends in the DOI's address and names year and publisher."""
    line = crosswalks.citation(d)
    assert "\n" not in line
    assert line.endswith(facts.doi_url(d.doi))
    assert f"({facts.publication_year(d)})" in line


@given(disseminations())
@many
def test_bibtex_is_one_entry(d: Dissemination) -> None:
    """An entry has a key without special characters and one field a line, whose braces balance as BibTeX counts
    them: also behind a backslash."""
    first, *fields, last, end = crosswalks.bibtex(d).split("\n")
    assert re.fullmatch(rf"@[a-z]+{{([a-z0-9_]+_)?{facts.publication_year(d)}_{d.record.id},", first)
    assert (last, end) == ("}", "")
    for line in fields:
        found = re.fullmatch(r"  [a-z]+ +=(.*),", line)
        assert found, line
        value = found[1].strip()
        depths = list(accumulate((char == "{") - (char == "}") for char in value))
        assert depths[-1] == 0
        # Within the outermost braces until their end: nothing ends the value early.
        assert "{" not in value or min(depths[:-1]) > 0


@given(disseminations())
@many
def test_owner_stays_private(d: Dissemination) -> None:
    """No format tells the e-mail address of the record's owner."""
    forms = [
        json.dumps(crosswalks.zenodo_json(d, files_open=True)),
        json.dumps(crosswalks.rdm_json(d, files_open=True)),
        json.dumps(crosswalks.schema_org(d)),
        json.dumps(crosswalks.csl_json(d)),
        crosswalks.bibtex(d),
        etree.tostring(crosswalks.oai_datacite(d), encoding="unicode"),
    ]
    assert all(d.record.owner not in form for form in forms)
