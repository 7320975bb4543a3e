"""Acrux: chooses the OpenID Connect `acr` for each login, checks that it was delivered, and keeps the proof."""

__version__ = "0.1.0"
