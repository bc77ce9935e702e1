"""Files that reach for the network, and for what else lies outside."""

from tests.zoo.hostile.entry import AS_ANSWERED, Hostile, before_kl, kl, shielded

NETWORK = (
    Hostile(
        "connects to this machine",
        before_kl("socket.create_connection(('127.0.0.1', @PORT@), 2).sendall(b'@TOKEN@')"),
        kl(0, "crashed"),
        ("Error in your code",),
    ),
    Hostile(
        "listens",
        before_kl("server = socket.create_server(('127.0.0.1', 0))", "time.sleep(1)"),
        kl(0, "crashed"),
        ("Error in your code",),
    ),
    Hostile(
        "asks for a name",
        before_kl("import urllib.request", "urllib.request.urlopen('http://127.0.0.1:@PORT@/@TOKEN@', timeout=2)"),
        kl(0, "crashed"),
        ("URLError",),
    ),
    Hostile(
        "sends without a connection",
        before_kl(shielded("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', @PORT@))")),
        AS_ANSWERED,
    ),
    Hostile(
        "reads what others hold",
        before_kl("raise ValueError(open('@CANARY@').read())"),
        kl(0, "crashed"),
        ("Error in your code",),
        never=("Traceback", "grader's own", "@TOKEN@"),
    ),
    Hostile(
        "writes where all may write",
        before_kl(shielded("open('@OUTSIDE@/written-by-a-stranger', 'w').write('x')")),
        AS_ANSWERED,
    ),
    Hostile(
        "tells the environment",
        before_kl("raise ValueError(str(dict(os.environ)))"),
        kl(0, "crashed"),
        never=("Traceback", "grader's own", "@TOKEN@"),
    ),
)
