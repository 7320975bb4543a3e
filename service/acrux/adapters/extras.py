"""What an adapter says when its framework is not installed. Standard library only."""


def missing_extra(adapter: str, missing: ModuleNotFoundError, extra: str = "") -> ModuleNotFoundError:
    """The error to raise instead: it names the extra that brings what is missing; by default the adapter's name."""
    message = f"`acrux.adapters.{adapter}` needs `{missing.name}`: pip install 'acrux[{extra or adapter}]'"
    return ModuleNotFoundError(message, name=missing.name)
