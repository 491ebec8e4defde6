// Names in braces, and whether they stand for something where no attribute is bound to a name.
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
