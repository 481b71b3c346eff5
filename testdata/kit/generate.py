"""Makes the vector set: python3 generate.py."""

import certificates
import envelopes
import forms
import kit
import network
import pki
import routing
import signatures
import tampering


def main():
    pki.make()
    envelopes.make()
    signatures.make()
    certificates.make()
    network.make()
    forms.make()
    routing.make()
    tampering.make()
    print(kit.write(), "vectors")


main()
