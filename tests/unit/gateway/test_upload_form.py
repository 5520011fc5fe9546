"""The form of a draft: what it shows goes back as it came, and what it does not show stays."""

from dataclasses import replace

from hypothesis import given, settings

from gateway.html.page_forms import PostedForm
from gateway.site import upload_form
from gateway.site.upload_form import Essentials
from pipeline.metadata import rdm_form
from pipeline.model import Description, JsonObject
from tests.strategies import REPOSITORY, TODAY, descriptions


def sent(said: Essentials) -> PostedForm:
    """What a browser sends of the form as it is shown."""
    rows = said.rows
    columns = {
        "creator_name": [one.name for one in rows],
        "creator_orcid": [one.orcid for one in rows],
        "creator_affiliation": [one.affiliation for one in rows],
        "creator_kind": ["organizational" if one.is_organisation else "personal" for one in rows],
        "creator_index": [one.index for one in rows],
    }
    lines = ("title", "type", "date", "licence", "access", "embargo_date", "embargo_reason", "communities")
    fields = {name: [getattr(said, name)] for name in lines}
    # Of one line the browser takes out all breaks.
    for values in (*fields.values(), *columns.values()):
        values[:] = [one.replace("\r", "").replace("\n", "") for one in values]
    fields["description"] = [said.description.replace("\n", "\r\n")]
    fields["keywords"] = ["\r\n".join(said.keywords or ())]
    return PostedForm(fields | (columns if said.creators is not None else {}))


def read(body: JsonObject) -> Description:
    return rdm_form.read(body, repository=REPOSITORY, own_doi=None, today=TODAY).description


def kept(before: Description) -> Description:
    """The description as a draft keeps it."""
    embargo = {"active": before.access.embargo_until is not None}
    if before.access.embargo_until is not None:
        embargo |= {"until": before.access.embargo_until.isoformat()}
    access = {"record": "public", "files": before.access.files.value, "embargo": embargo}
    found = read({"metadata": before.metadata, "custom_fields": before.custom_fields, "access": access})
    return replace(found, communities=before.communities)


@settings(deadline=None)
@given(descriptions())
def test_what_is_saved_as_it_was_shown_changes_nothing(given_: Description) -> None:
    """Whatever the description has, shown or not, and however a browser ends lines."""
    before = kept(given_)
    said = upload_form.posted(sent(upload_form.shown(before)))
    assert read(upload_form.body(said, before)) == replace(before, communities=())
    assert said.slugs == before.communities


def test_rows_are_added_changed_and_taken_out() -> None:
    """Who is named anew is another person; who stays keeps what the form does not show of them."""
    gnd = {"scheme": "gnd", "identifier": "118540238"}
    person = {"type": "personal", "family_name": "Orr", "given_name": "Bo", "name": "Orr, Bo"}
    one = {"person_or_org": {**person, "identifiers": [gnd]}, "role": {"id": "editor"}}
    two = {"person_or_org": {**person, "family_name": "Hand", "given_name": "Jo", "name": "Hand, Jo"}}
    before = Description({"creators": [two, one]})
    said = upload_form.shown(before)
    assert said.creators is not None
    stays = replace(said.creators[1], orcid="0000-0002-1825-0097", affiliation="Pier")
    new = upload_form.Creator("The pier's friends", is_organisation=True)
    saved = read(upload_form.body(replace(said, creators=(stays, new)), before))
    [bo, friends] = saved.metadata["creators"]
    assert [one["scheme"] for one in bo["person_or_org"]["identifiers"]] == ["orcid", "gnd"]
    assert (bo["role"], bo["affiliations"]) == ({"id": "editor"}, [{"name": "Pier"}])
    assert friends["person_or_org"] == {"type": "organizational", "name": "The pier's friends"}


def test_keywords_are_lines_and_the_terms_of_schemes_stay() -> None:
    """A form without a field for them, which somebody still has open, changes none."""
    term = {
        "subject": "Tides",
        "scheme": "gemet",
        "identifier": "http://www.eionet.europa.eu/gemet/concept/8401",
    }
    before = Description({"subjects": [{"subject": "gauge"}, term, {"subject": "pier"}]})
    said = upload_form.shown(before)
    assert said.keywords == ("gauge", "pier")
    form = sent(replace(said, keywords=("pier", " sea ", "", "pier")))
    changed = upload_form.body(upload_form.posted(form), before)["metadata"]
    assert changed["subjects"] == [{"subject": "pier"}, {"subject": "sea"}, term]
    older = PostedForm({name: values for name, values in form.fields.items() if name != "keywords"})
    assert upload_form.body(upload_form.posted(older), before)["metadata"] == before.metadata


def test_more_creators_than_a_form_has_rows_for_stay() -> None:
    """Of those it shows none."""
    person = {"person_or_org": {"type": "organizational", "name": "One of many"}}
    before = Description({"title": "Before", "creators": [person] * (upload_form.MOST_CREATORS + 1)})
    said = upload_form.posted(sent(upload_form.shown(before)))
    saved = upload_form.body(replace(said, title="After"), before)
    assert saved["metadata"]["creators"] == before.metadata["creators"]
    assert saved["metadata"]["title"] == "After"
