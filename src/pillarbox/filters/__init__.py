"""Floor 5: programs beside the server that look into mail: rspamd, ClamAV, any milter."""
