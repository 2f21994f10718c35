"""SASL (RFC 4422): one small two-sided machine a mechanism, and a table of them.

``machine`` has the shapes, ``mechanisms`` the table. A machine sees decoded octets; how they are
framed (AUTH in SMTP and POP3, AUTHENTICATE in IMAP) is the protocol engine's business, and
``b64`` has the strict base64 they all share.
"""
