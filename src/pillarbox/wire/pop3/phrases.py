"""What the server says, in the languages LANG offers (RFC 6856 §3).

One row a sentence, one column a language. Until a client chooses, answers are in English, since
the others need UTF-8 and RFC 1939 allows ASCII only.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

LANGUAGES: Mapping[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
}
_COLUMN = {tag: column for column, tag in enumerate(LANGUAGES)}


class Phrase(Enum):
    """A sentence in every language; ``{names}`` are filled in by ``in_language``."""

    GREETING = (
        "{host} POP3 server ready",
        "{host} POP3-Server bereit",
        "{host} serveur POP3 prêt",
        "{host} servidor POP3 listo",
    )
    GOODBYE = ("Goodbye", "Auf Wiedersehen", "Au revoir", "Adiós")
    SEND_PASSWORD = (
        "Send the password",
        "Bitte das Passwort senden",
        "Envoyez le mot de passe",
        "Envíe la contraseña",
    )
    MAILDROP = (
        "{count} messages ({octets} octets)",
        "{count} Nachrichten ({octets} Oktette)",
        "{count} messages ({octets} octets)",
        "{count} mensajes ({octets} octetos)",
    )
    OCTETS = ("{octets} octets", "{octets} Oktette", "{octets} octets", "{octets} octetos")
    TOP = (
        "Top of message follows",
        "Anfang der Nachricht folgt",
        "Début du message",
        "Comienzo del mensaje",
    )
    UIDL = (
        "Unique ids follow",
        "Eindeutige Kennungen folgen",
        "Identifiants uniques",
        "Identificadores únicos",
    )
    MARKED = (
        "Message {number} will be deleted",
        "Nachricht {number} wird gelöscht",
        "Le message {number} sera supprimé",
        "El mensaje {number} se borrará",
    )
    DONE = ("Done", "Erledigt", "Fait", "Hecho")
    CAPABILITIES = (
        "Capability list follows",
        "Liste der Fähigkeiten folgt",
        "Liste des capacités",
        "Lista de capacidades",
    )
    MECHANISMS = (
        "Mechanisms follow",
        "Verfahren folgen",
        "Liste des mécanismes",
        "Lista de mecanismos",
    )
    UTF8_ON = ("UTF8 enabled", "UTF8 eingeschaltet", "UTF8 activé", "UTF8 activado")
    BEGIN_TLS = (
        "Begin TLS negotiation",
        "TLS-Aushandlung beginnen",
        "Commencez la négociation TLS",
        "Comience la negociación TLS",
    )
    LANGUAGES_FOLLOW = (
        "Languages follow",
        "Sprachen folgen",
        "Liste des langues",
        "Lista de idiomas",
    )
    LANGUAGE_CHOSEN = (
        "Language changed",
        "Sprache gewechselt",
        "Langue changée",
        "Idioma cambiado",
    )
    LANGUAGE_UNKNOWN = (
        "Language not available",
        "Sprache nicht verfügbar",
        "Langue non disponible",
        "Idioma no disponible",
    )
    NO_SUCH_MESSAGE = (
        "No such message",
        "Keine solche Nachricht",
        "Message inexistant",
        "No existe ese mensaje",
    )
    ALREADY_DELETED = (
        "Message {number} is marked deleted",
        "Nachricht {number} ist als gelöscht markiert",
        "Le message {number} est marqué supprimé",
        "El mensaje {number} está marcado como borrado",
    )
    NEEDS_UTF8 = (
        "The message needs UTF8 mode",
        "Die Nachricht braucht den UTF8-Modus",
        "Le message exige le mode UTF8",
        "El mensaje requiere el modo UTF8",
    )
    LOGIN_FAILED = (
        "Login failed",
        "Anmeldung fehlgeschlagen",
        "Échec de l'authentification",
        "Error de autenticación",
    )
    NEEDS_TLS = (
        "Use STLS before logging in",
        "Vor der Anmeldung STLS verwenden",
        "Utilisez STLS avant de vous authentifier",
        "Use STLS antes de autenticarse",
    )
    MECHANISM_UNKNOWN = (
        "Mechanism not available",
        "Verfahren nicht verfügbar",
        "Mécanisme non disponible",
        "Mecanismo no disponible",
    )
    AUTH_CANCELLED = (
        "Authentication cancelled",
        "Anmeldung abgebrochen",
        "Authentification annulée",
        "Autenticación cancelada",
    )
    AUTH_MALFORMED = (
        "Authentication response not understood",
        "Antwort zur Anmeldung nicht verstanden",
        "Réponse d'authentification incomprise",
        "No se entiende la respuesta de autenticación",
    )
    IN_USE = (
        "The maildrop is in use by another session",
        "Das Postfach wird von einer anderen Sitzung benutzt",
        "La boîte est utilisée par une autre session",
        "Otra sesión está usando el buzón",
    )
    LOGIN_DELAY = (
        "Wait {seconds} seconds before logging in again",
        "Vor erneuter Anmeldung {seconds} Sekunden warten",
        "Attendez {seconds} secondes avant de vous reconnecter",
        "Espere {seconds} segundos antes de volver a autenticarse",
    )
    NOT_REMOVED = (
        "Some deleted messages were not removed",
        "Einige gelöschte Nachrichten wurden nicht entfernt",
        "Certains messages supprimés n'ont pas été effacés",
        "Algunos mensajes borrados no se eliminaron",
    )
    TRY_LATER = (
        "Temporary failure, try again later",
        "Vorübergehender Fehler, bitte später wieder versuchen",
        "Erreur temporaire, réessayez plus tard",
        "Fallo temporal, inténtelo más tarde",
    )
    BROKEN = (
        "This does not work; tell the postmaster",
        "Das geht nicht; bitte den Postmaster verständigen",
        "Erreur permanente ; prévenez le postmaster",
        "Fallo permanente; avise al postmaster",
    )
    SHUTTING_DOWN = (
        "The server is shutting down",
        "Der Server wird beendet",
        "Le serveur s'arrête",
        "El servidor se está deteniendo",
    )
    TOO_MANY = (
        "Too many connections",
        "Zu viele Verbindungen",
        "Trop de connexions",
        "Demasiadas conexiones",
    )
    # Lines that cannot be obeyed.
    UNKNOWN = (
        "Unknown command",
        "Unbekannter Befehl",
        "Commande inconnue",
        "Orden desconocida",
    )
    USAGE = ("Usage: {usage}", "Aufruf: {usage}", "Usage : {usage}", "Uso: {usage}")
    WRONG_STATE = (
        "{verb} is not allowed now",
        "{verb} ist jetzt nicht erlaubt",
        "{verb} n'est pas permis maintenant",
        "{verb} no está permitido ahora",
    )
    USER_FIRST = (
        "Send USER first",
        "Zuerst USER senden",
        "Envoyez d'abord USER",
        "Envíe antes USER",
    )
    NOT_OFFERED = (
        "{verb} is not offered here",
        "{verb} wird hier nicht angeboten",
        "{verb} n'est pas proposé ici",
        "{verb} no se ofrece aquí",
    )
    TLS_ACTIVE = (
        "Command not permitted when TLS active",
        "Unter TLS nicht erlaubt",
        "Commande interdite sous TLS",
        "Orden no permitida con TLS activo",
    )
    AFTER_UTF8 = (
        "STLS is not permitted after UTF8",
        "STLS ist nach UTF8 nicht erlaubt",
        "STLS est interdit après UTF8",
        "STLS no está permitido después de UTF8",
    )
    TOO_LONG = ("Line too long", "Zeile zu lang", "Ligne trop longue", "Línea demasiado larga")
    FOREIGN = (
        "This is a POP3 server",
        "Dies ist ein POP3-Server",
        "Ceci est un serveur POP3",
        "Esto es un servidor POP3",
    )
    FLOOD = (
        "Too many errors",
        "Zu viele Fehler",
        "Trop d'erreurs",
        "Demasiados errores",
    )

    __hash__ = object.__hash__  # an enum's own is a function in Python: too dear for each answer

    def in_language(self, tag: str, **fields: object) -> str:
        """The sentence in a language of ``LANGUAGES``."""
        text: str = self.value[_COLUMN[tag]]
        return text.format(**fields) if fields else text


def match(wanted: str, preferred: str) -> str:
    """The tag that a language range chooses, '' for none (RFC 4647 §3.3.1, basic filtering).

    ``*`` gives ``preferred``. A range longer than a tag (``de-AT``) falls back to the language
    alone, which RFC 4647 §3.4 calls lookup: a reader of it is served better than by English.
    """
    if wanted == "*":
        return preferred
    parts = wanted.lower().split("-")
    while parts:
        tag = "-".join(parts)
        if tag in LANGUAGES:
            return tag
        parts.pop()
    return ""
