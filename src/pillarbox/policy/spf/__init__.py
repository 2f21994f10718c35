"""Whether a host may send mail in a domain's name (SPF, RFC 7208).

``check.check`` and ``check.check_helo`` ask; ``result.SpfResult`` is the answer.
"""
