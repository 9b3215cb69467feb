"""The one plugin of a project."""

_exported = None


def export(plugin):
    """Class decorator: this class is the plugin. It is instantiated without arguments."""
    global _exported
    _exported = plugin
    return plugin


def exported():
    """The class marked with `@export`."""
    if _exported is None:
        raise LookupError("plugin.py marks no class with @export")
    return _exported
