"""As much DER as crafting a message takes."""

SEQUENCE, SET, OCTETS, INTEGER, NULL = 0x30, 0x31, 0x04, 0x02, b"\x05\x00"


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts):
    return tlv(SEQUENCE, *parts)


def set_of(*parts):
    """A SET OF in the order of DER."""
    return tlv(SET, *sorted(parts))


def octets(data):
    return tlv(OCTETS, data)


def integer(n):
    return tlv(INTEGER, n.to_bytes(n.bit_length() // 8 + 1, "big"))


def context(n, *parts):
    """A constructed element of the tag [n]."""
    return tlv(0xA0 | n, *parts)


def oid(dotted):
    first, second, *rest = (int(n) for n in dotted.split("."))
    body = b""
    for n in [first * 40 + second, *rest]:
        piece = bytes([n & 0x7F])
        while n := n >> 7:
            piece = bytes([0x80 | n & 0x7F]) + piece
        body += piece
    return tlv(0x06, body)


def read(data):
    """Takes the first element off: its tag, its contents, what follows."""
    tag, size, at = data[0], data[1], 2
    if size & 0x80:
        count = size & 0x7F
        size, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    return tag, data[at : at + size], data[at + size :]


def children(data):
    """The elements in a run of them, each whole."""
    all = []
    while data:
        _, _, rest = read(data)
        all.append(data[: len(data) - len(rest)])
        data = rest
    return all


def inside(element):
    """The elements inside of a constructed one."""
    return children(read(element)[1])
