"""The server's side of IMAP as a sans-IO engine.

How a server loop uses it::

    engine = ServerEngine(limits)
    engine.state = State.NOT_AUTHENTICATED          # the caller owns the state, see below
    write(greeting)
    ...
    events = engine.feed(data)                      # any bytes, any cut
    while events:
        for event in events:                        # in order: answers follow the order too
            match event:
                case Send(): write(event.data)      # the engine's own "+ ..." for small literals
                case BadCommand(): write(event.reply)
                case Bye(): write(event.reply); close()
                case Login():                       # every command has .tag
                    ...check, write the tagged answer...
                    engine.state = State.AUTHENTICATED
                case AppendStart():
                    if refused: write(NO); engine.refuse()
                    else: write(engine.accept())    # "+ ..." or b"" for LITERAL+
                case LiteralChunk(): ...
                case AppendEnd(): ...commit, write OK...
                case Idle(): write(engine.accept()) # and IdleDone comes later
                case Authenticate() | AuthResponse():
                    write(engine.challenge(data))   # or write the tagged answer and nothing else
                case StartTls():
                    write(OK); engine.accept(); ...handshake...
            engine.done()                           # harmless where nothing waits
        events = engine.resume()

Commands that change the state or the grammar (LOGIN, SELECT, ENABLE, CLOSE ...) shut a gate, since
the line behind them cannot be judged before their outcome is known. ``done()`` says that the
event was handled for good: a gate that is still shut then opens, and an undecided literal, IDLE or
STARTTLS counts as refused. A gate event is always the last of its list.

The caller sets ``state`` after LOGIN, AUTHENTICATE, SELECT, CLOSE, UNSELECT and so on; a command
that the state does not allow never reaches the caller: it comes as BadCommand. Likewise it sets
``utf8`` after ENABLE UTF8=ACCEPT or IMAP4rev2, which changes how mailbox names are spelt.
"""
