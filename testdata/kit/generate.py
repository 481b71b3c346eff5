"""Makes the vector set. What is there is kept; --again makes the messages anew."""

import sys

import certificates
import envelopes
import forms
import kit
import network
import peers
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
    peers.make()
    print(kit.write("--again" in sys.argv), "vectors")


main()
