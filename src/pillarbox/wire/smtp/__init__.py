"""SMTP, submission and LMTP as two engines without sockets: ``server`` and ``client``."""
