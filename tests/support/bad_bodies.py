"""Bodies that no well-behaved sender sends: by hand, and at random from a seed."""

import random

BAD_JSON: dict[str, bytes] = {
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "deep lists": b"[" * 30_000 + b"]" * 30_000,
    "deep and unfinished": b'{"symbol":' + b"[" * 60_000,
    "an integer of 5,000 digits": b'{"symbol":"EURUSD","action":"buy","qty":' + b"9" * 5_000 + b"}",
    "a fraction of 5,000 digits": b'{"symbol":"EURUSD","action":"buy","qty":0.' + b"9" * 5_000 + b"}",
    "NaN": b'{"symbol":"EURUSD","action":"buy","qty":NaN}',
    "Infinity": b'{"symbol":"EURUSD","action":"buy","qty":Infinity}',
    "minus Infinity": b'{"symbol":"EURUSD","action":"buy","qty":-Infinity}',
    "1e400": b'{"symbol":"EURUSD","action":"buy","qty":1e400}',
    "1e-400": b'{"symbol":"EURUSD","action":"buy","qty":1e-400}',
    "an exponent of 20 digits": b'{"symbol":"EURUSD","action":"buy","qty":1e99999999999999999999}',
    "NUL as an escape": b'{"symbol":"EURUSD","action":"buy","comment":"a\\u0000b"}',
    "NUL as a byte": b'{"symbol":"EURUSD","action":"buy","comment":"a\x00b"}',
    "NUL in a key": b'{"symbol":"EURUSD","action":"buy","a\\u0000b":1}',
    "a lone high surrogate": b'{"symbol":"EURUSD","action":"buy","comment":"\\ud83d"}',
    "a lone low surrogate": b'{"symbol":"EURUSD","action":"buy","comment":"\\ude00"}',
    "surrogates the wrong way round": b'{"symbol":"EURUSD","action":"buy","comment":"\\ude00\\ud83d"}',
    "a surrogate as UTF-8": b'{"symbol":"EURUSD","action":"buy","comment":"\xed\xa0\xbd"}',
    "invalid UTF-8": b'{"symbol":"EURUSD","action":"buy","comment":"\xff\xfe"}',
    "overlong UTF-8": b'{"symbol":"EURUSD","action":"buy","comment":"\xc0\xaf"}',
    "UTF-16": '{"symbol":"EURUSD","action":"buy"}'.encode("utf-16"),
    "duplicate keys": b'{"symbol":"EURUSD","action":"buy","action":"sell"}',
    "a stray quote": b'{"symbol":"EURUSD","action":"buy","price":1.1"}',
    "a trailing comma": b'{"symbol":"EURUSD","action":"buy",}',
    "two documents": b'{"symbol":"EURUSD","action":"buy"}{"symbol":"EURUSD","action":"buy"}',
    "an unfinished text": b'{"symbol":"EURUSD","action":"buy',
    "a comment": b'{"symbol":"EURUSD" /* x */,"action":"buy"}',
    "single quotes": b"{'symbol':'EURUSD','action':'buy'}",
    "empty": b"",
    "white space": b" \r\n\t ",
    "a byte order mark alone": b"\xef\xbb\xbf",
}
"""Malformed everywhere: whatever door they knock at, they can't be read."""

ODD: dict[str, bytes] = {
    "a byte order mark": b'\xef\xbb\xbf{"symbol":"EURUSD","action":"buy"}',
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"symbol":"EURUSD","action":"buy"}',
    "a form": b"symbol=EURUSD&action=buy&qty=1",
    "a form with NUL": b"symbol=EURUSD&action=buy&comment=%00",
    "a form with bad UTF-8": b"symbol=EURUSD&action=buy&comment=%ff%fe",
    "a form with a hundred thousand fields": b"a=1&" * 15_000 + b"symbol=EURUSD&action=buy",
    "a multipart form": b'--x\r\nContent-Disposition: form-data; name="symbol"\r\n\r\nEURUSD\r\n--x--\r\n',
    "null": b"null",
    "a number": b"12345678901234567890",
    "a text": b'"buy EURUSD"',
    "text with NUL": b"buy EURUSD\x00",
    "wrong types": b'{"symbol":["EURUSD"],"action":{"a":1},"qty":true,"price":[],"time":{}}',
    "very long values": b'{"symbol":"' + b"E" * 30_000 + b'","action":"' + b"b" * 30_000 + b'"}',
    "a very long key": b'{"' + b"k" * 60_000 + b'":1,"symbol":"EURUSD","action":"buy"}',
    "SQL": b'{"symbol":"EURUSD\'); DROP TABLE messages; --","action":"buy"}',
    "HTML and a formula": b'{"symbol":"EURUSD","action":"buy","comment":"<script>alert(1)</script>\\r\\n=cmd|x"}',
    "extreme times": b'{"symbol":"EURUSD","action":"buy","timenow":"9999-12-31T23:59:59Z","time":-62135596800000}',
    "an extreme epoch": b'{"symbol":"EURUSD","action":"buy","timestamp":999999999999999999999999}',
    "an extreme price": b'{"symbol":"EURUSD","action":"buy","price":1e300,"qty":1e-300,"sl":1e299}',
    "right-to-left and zero-width": '{"symbol":"EUR\u202eUSD","action":"b\u200buy"}'.encode(),
    "nothing but braces": b"{}",
    "a list of alerts": b'[{"symbol":"EURUSD","action":"buy"}]',
}
"""Readable or not, depending on the door: never an error of ours."""


def random_bodies(seed: int, count: int) -> list[bytes]:
    """Random bytes, random printable text, and good alerts with a few bytes changed."""
    chance = random.Random(seed)
    good = b'{"symbol": "EURUSD", "action": "buy", "qty": 0.1, "price": 1.0815, "comment": "\\u00e4 b", "time": 1700000000000}'
    bodies = []
    for number in range(count):
        match number % 3:
            case 0:
                body = chance.randbytes(chance.randrange(200))
            case 1:
                body = bytes(chance.choices(b' \t\n"{}[]:,=&%\\0123456789abcdefEURUSDbuysell.-+', k=chance.randrange(120)))
            case _:
                spoiled = bytearray(good)
                for _ in range(chance.randrange(1, 6)):
                    spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
                body = bytes(spoiled)
        bodies.append(body)
    return bodies
