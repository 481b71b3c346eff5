"""Makes the vector set: python3 generate.py."""

import envelopes
import kit
import pki
import signatures


def main():
    pki.make()
    envelopes.make()
    signatures.make()
    print(kit.write(), "vectors")


main()
