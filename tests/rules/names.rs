// Names in braces, and whether they are placeholders if no attribute has `bind = …`.
[
    ("port", true),
    ("host", true),
    ("tmpdir", true),
    ("socket", true),
    ("pidfile", true),
    ("port:monitor", true),
    ("port:a_1", true),
    ("port:Monitor", false),
    ("port:a-b", false),
    ("db.port:monitor", false),
    ("addr", false),
    ("url", false),
    ("pid", false),
    ("print", false),
    ("ports", false),
    ("db.port", false),
]
