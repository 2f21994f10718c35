"""The server's side of SMTP, submission and LMTP: bytes in, events out; replies in, bytes out.

A server loop uses one ``Engine`` a connection, like this::

    engine = Engine(options, tls=False)
    write(engine.greet())
    while data := await read():
        events = engine.feed(data)
        while events:
            for event in events:
                write(await handlers[type(event)](event))
            if engine.closed:  # after 221, 421 or a fatal fault
                return
            events = engine.resume()
        await drain()
    for event in engine.eof(): ...

and a handler checks, asks somebody, and answers with a ``model.reply.Reply``::

    async def on_rcpt(event: Rcpt) -> bytes:
        routed, reply = await route(event.recipient)
        return engine.reply(reply, routed)

    async def on_fault(event: Fault) -> bytes:
        return engine.reply(event.reply)

**One command at a time.** Every event but ``DataChunk`` and ``Gone`` waits for its answer, and the
engine reads on only after it. So a refused MAIL makes the RCPT pipelined behind it a 503 without
anybody having to remember; replies leave in order; a body behind a refused DATA is never content.

**The answer commits.** ``reply`` looks up what was asked, changes the state by ``states.TABLE``
and returns the bytes to write. ``sender`` and ``recipients`` are the transaction as committed so
far; they are there until the last reply to ``DataEnd`` has been given.

Gates and the methods that open them (``reply`` would do as well, these only read better):

=================  =======================================================
Data, Bdat         ``accept_data()``, ``refuse_data(reply)``
Auth, AuthLine     ``auth_challenge(data)``, ``auth_done(reply)``
StartTls           ``accept_tls()`` then, after the handshake, ``tls_started()``
DataEnd            ``reply`` ``replies_due`` times, or ``reply_each(reply)``
=================  =======================================================
"""
