"""What the answer is to whom, by the state of a record: the rules of the table of rights (`rights_table`)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from pipeline.communities.roles import Power, Role, allows
from pipeline.model import Right


class State(Enum):
    """What a record may be in, with what that means for a rule: whether there is a published version, an open draft."""

    DRAFT = "a draft that was never published"
    REVIEW = "such a draft, which a community reviews"
    OPEN = "published, open"
    RESTRICTED = "published, restricted"
    EMBARGOED = "published, under embargo"
    CLOSED = "published, closed in the words of the legacy API"
    EDITED = "published, restricted, with an open edit"
    DELETED = "withdrawn, restricted before"

    @property
    def is_new(self) -> bool:
        """Whether no version of the work was ever published."""
        return self in (State.DRAFT, State.REVIEW)

    @property
    def is_published(self) -> bool:
        return not self.is_new and self is not State.DELETED

    @property
    def has_draft(self) -> bool:
        return self.is_new or self is State.EDITED

    @property
    def is_closed(self) -> bool:
        """Whether its files are not everybody's."""
        return self is not State.OPEN


class Answer(Enum):
    """What an answer says of rights. `LET` is everything that is not one of the others: the asker may, whatever else is
    wrong with the request. Of what is nobody's secret it does not matter whether it is there."""

    LET = "let"
    UNKNOWN = "401"
    DENIED = "403"
    MISSING = "404"
    GONE = "410"


@dataclass(frozen=True, slots=True)
class Asker:
    """What of a viewer a rule looks at: their right to the work, whether they have an account, a token that may write,
    a link, whether they run the archive, own the record themselves, and what they are in the community."""

    right: Right
    known: bool
    may_write: bool
    linked: bool
    admin: bool
    owner: bool
    role: Role | None


Rule = Callable[[Asker, State], Answer]


def everybody(asker: Asker, state: State) -> Answer:
    return Answer.LET


def known(asker: Asker, state: State) -> Answer:
    return Answer.LET if asker.known else Answer.UNKNOWN


def writers(asker: Asker, state: State) -> Answer:
    if not asker.known:
        return Answer.UNKNOWN
    return Answer.LET if asker.may_write else Answer.DENIED


def description(asker: Asker, state: State) -> Answer:
    """Of published records they are everybody's."""
    if state is State.DELETED:
        return Answer.GONE
    return Answer.LET if state.is_published else Answer.MISSING


def published(asker: Asker, state: State) -> Answer:
    """What leads on to the newest version, be it withdrawn."""
    return Answer.MISSING if state.is_new else Answer.LET


def files(asker: Asker, state: State) -> Answer:
    found = description(asker, state)
    if found is Answer.LET and state.is_closed and asker.right < Right.VIEW:
        return Answer.DENIED
    return found


def ask_for_files(asker: Asker, state: State) -> Answer:
    """By those who may not read them, of a record that is there."""
    found = files(asker, state)
    return {Answer.LET: Answer.DENIED, Answer.DENIED: Answer.LET}.get(found, found)


def page_files(asker: Asker, state: State) -> Answer:
    """As `files`, but that a browser is led to the tombstone, and strangers to sign in."""
    found = files(asker, state)
    if found is Answer.DENIED and not asker.known:
        return Answer.LET
    return Answer.LET if found is Answer.GONE else found


def draft(asker: Asker, state: State) -> Answer:
    """Reading a draft."""
    if not (asker.known or asker.linked):
        return Answer.UNKNOWN
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.right >= Right.PREVIEW else Answer.DENIED


def change(asker: Asker, state: State) -> Answer:
    """Changing a draft, publishing it, giving it up."""
    return _of_draft(asker, state, Right.EDIT)


def choose_review(asker: Asker, state: State) -> Answer:
    """Which community reviews a draft, if any."""
    return _of_draft(asker, state, Right.MANAGE)


def _of_draft(asker: Asker, state: State, least: Right) -> Answer:
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.right >= least else Answer.DENIED


def _of_own_file(found: Answer, state: State) -> Answer:
    """An edit has no files of its own, so where somebody may look for one there is none."""
    return Answer.MISSING if found is Answer.LET and state is State.EDITED else found


def draft_file(asker: Asker, state: State) -> Answer:
    return _of_own_file(draft(asker, state), state)


def change_file(asker: Asker, state: State) -> Answer:
    return _of_own_file(change(asker, state), state)


def _standing(asker: Asker, state: State, least: Right) -> Answer:
    if asker.right < least:
        return Answer.DENIED
    return Answer.MISSING if state is State.DELETED else Answer.LET


def deposition(asker: Asker, state: State) -> Answer:
    """Reading what stands at the address of a deposition: the draft, else the record."""
    return _standing(asker, state, Right.PREVIEW) if asker.known or asker.linked else Answer.UNKNOWN


def change_standing(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    return _standing(asker, state, Right.EDIT) if found is Answer.LET else found


def remove_file(asker: Asker, state: State) -> Answer:
    """Taking a file out by its number: nobody takes any out of a record."""
    found = _of_own_file(change_standing(asker, state), state)
    return Answer.DENIED if found is Answer.LET and not state.has_draft else found


def new_version(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    return Answer.MISSING if state.is_new else _standing(asker, state, Right.EDIT)


def delete(asker: Asker, state: State) -> Answer:
    """Taking one's own record out of service. Of one that is, whoever may is told so."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if state.is_new:
        return Answer.MISSING
    return Answer.LET if asker.owner or asker.admin else Answer.DENIED


def enlarge(asker: Asker, state: State) -> Answer:
    """What is the owner's to say of an open draft."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.owner or asker.admin else Answer.DENIED


def modify(asker: Asker, state: State) -> Answer:
    """Having the files of a record be changed, which takes an open edit."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if not state.is_new and not (asker.owner or asker.admin):
        return Answer.DENIED
    return Answer.LET if state is State.EDITED else Answer.MISSING


def administer(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    return Answer.DENIED if found is Answer.LET and not asker.admin else found


def revisions(asker: Asker, state: State) -> Answer:
    if not asker.known:
        return Answer.UNKNOWN
    return description(asker, state) if asker.admin else Answer.DENIED


def share(asker: Asker, state: State) -> Answer:
    """With whom a work is shared."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if asker.right < Right.MANAGE:
        return Answer.DENIED
    return Answer.GONE if state is State.DELETED else Answer.LET


def held_files(asker: Asker, state: State) -> Answer:
    """Files by the addresses of the legacy API, which are a draft's until it is published."""
    if not state.is_new:
        return files(asker, state)
    if asker.right >= Right.PREVIEW:
        return Answer.LET
    return Answer.DENIED if asker.known or asker.linked else Answer.UNKNOWN


def bucket_list(asker: Asker, state: State) -> Answer:
    return _of_draft(asker, state, Right.PREVIEW)


# ---------------------------------------------------------------- pages


def page_of_draft(asker: Asker, state: State) -> Answer:
    """As `draft`; strangers who may not see it, with a link or without, are led to sign in."""
    found = draft(asker, state)
    return Answer.LET if not asker.known and found in (Answer.UNKNOWN, Answer.DENIED) else found


def draft_page(asker: Asker, state: State) -> Answer:
    """As `page_of_draft`; what has no draft any more leads to its record."""
    found = page_of_draft(asker, state)
    return Answer.LET if found is Answer.MISSING else found


def on_page(rule: Rule) -> Rule:
    """In a session one may do all that one's tokens may be made for; strangers are led to sign in."""

    def in_session(asker: Asker, state: State) -> Answer:
        return rule(replace(asker, may_write=True), state) if asker.known else Answer.LET

    return in_session


# ---------------------------------------------------------------- communities and requests


def belonging(asker: Asker, state: State) -> Answer:
    """To which communities a work belongs: putting it into one, and which stands for it."""
    found = writers(asker, state)
    return _managed(asker, state) if found is Answer.LET else found


def fitting(asker: Asker, state: State) -> Answer:
    """To which ones it could belong."""
    return _managed(asker, state) if asker.known else Answer.UNKNOWN


def _managed(asker: Asker, state: State) -> Answer:
    return Answer.MISSING if state.is_new else _standing(asker, state, Right.MANAGE)


def leaving(asker: Asker, state: State) -> Answer:
    """Taking a work out of a community, which its curators may as well."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if state.is_new:
        return Answer.MISSING
    may = asker.right >= Right.MANAGE or allows(asker.role, Power.CURATE)
    return Answer.LET if may else Answer.DENIED


def review(asker: Asker, state: State) -> Answer:
    """Which review a draft has: for those who see the draft, and have an account."""
    found = draft(asker, state) if asker.known else Answer.UNKNOWN
    return Answer.MISSING if found is Answer.LET and state is not State.REVIEW else found


def asked_about(asker: Asker, state: State) -> Answer:
    """What is asked about a record, be it there or not."""
    if not asker.known:
        return Answer.UNKNOWN
    return Answer.LET if asker.owner or asker.admin else Answer.DENIED


def seeing_review(asker: Asker, state: State) -> Answer:
    """The review of the draft that the community was asked for."""
    if not asker.known:
        return Answer.UNKNOWN
    sees = asker.right >= Right.PREVIEW or allows(asker.role, Power.CURATE)
    return Answer.LET if sees else Answer.DENIED


def answering(asker: Asker, state: State) -> Answer:
    """Of those who see the review, who may do which is judged in the transaction that does it."""
    found = writers(asker, state)
    return seeing_review(asker, state) if found is Answer.LET else found


def with_power(power: Power) -> Rule:
    """Changing a community, or what is in it."""

    def rule(asker: Asker, state: State) -> Answer:
        found = writers(asker, state)
        if found is Answer.LET and not (asker.admin or allows(asker.role, power)):
            return Answer.DENIED
        return found

    return rule


def seen_with_power(power: Power) -> Rule:
    def rule(asker: Asker, state: State) -> Answer:
        if not asker.known:
            return Answer.UNKNOWN
        return Answer.LET if asker.admin or allows(asker.role, power) else Answer.DENIED

    return rule


def shut(asker: Asker, state: State) -> Answer:
    """What is not done here, for anybody."""
    return Answer.DENIED


def nobody(asker: Asker, state: State) -> Answer:
    """What is not done here, to whoever may write."""
    found = writers(asker, state)
    return Answer.DENIED if found is Answer.LET else found
