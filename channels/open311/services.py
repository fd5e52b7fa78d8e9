"""What can be reported: the contents of feedback by law, each a service with the same questions."""

from domain.errors import NotFound
from domain.language import Language
from feedback_intake.filing import FeedbackKind, Formal, MayPublish
from feedback_intake.moves import PROPOSALS, Content
from feedback_intake.sorting import kind_by_words
from lookup.wording import Words

WORDS = Words("channels.open311")
AGENCY, DOSSIER, PUBLISH = "agency", "dossier", "may_publish"


def services(language: Language) -> list[dict[str, object]]:
    """GET services."""
    return [_service(content, language) for content in Content]


def definition(code: str, language: Language) -> dict[str, object]:
    """GET a service definition: what may be told besides the description. Raises `NotFound`."""
    content = content_of(code)
    return {
        "service_code": content.value,
        "attributes": [
            _attribute(1, AGENCY, "string", language),
            _attribute(2, DOSSIER, "string", language),
            {
                **_attribute(3, PUBLISH, "singlevaluelist", language),
                "values": [
                    {"key": choice.value, "name": WORDS.say(language, f"attribute.may_publish.{choice}")}
                    for choice in MayPublish
                ],
            },
        ],
    }


def content_of(code: str) -> Content:
    """The content a service stands for. Raises `NotFound`."""
    if code not in set(Content):
        raise NotFound("There is no such service.", field="service_code")
    return Content(code)


def kind_of(content: Content, text: str = "") -> FeedbackKind:
    """Whether what is said is feedback or a proposal: the service says it, but of `other` the words."""
    if content is Content.OTHER:
        return kind_by_words(text)
    return FeedbackKind.PROPOSAL if content in PROPOSALS else FeedbackKind.FEEDBACK


def notice_of(resembles: Formal | None, language: Language) -> str | None:
    """Where words go that sound like something else than feedback; they are filed all the same."""
    key = f"notice.{resembles}"
    return WORDS.say(language, key) if resembles and WORDS.has(language, key) else None


def name_of(content: Content, language: Language) -> str:
    """A service's name."""
    return WORDS.say(language, f"service.{content}")


def _service(content: Content, language: Language) -> dict[str, object]:
    return {
        "service_code": content.value,
        "service_name": name_of(content, language),
        "description": WORDS.say(language, f"service.{content}.help"),
        "metadata": True,
        "type": "realtime",
        "keywords": WORDS.say(language, "keywords"),
        "group": WORDS.say(language, f"group.{kind_of(content)}"),
    }


def _attribute(order: int, code: str, datatype: str, language: Language) -> dict[str, object]:
    return {
        "variable": True,
        "code": code,
        "datatype": datatype,
        "required": False,
        "datatype_description": WORDS.say(language, f"attribute.{code}.help"),
        "order": order,
        "description": WORDS.say(language, f"attribute.{code}"),
    }
