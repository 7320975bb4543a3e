"""What an adapter says when its framework is not installed. Standard library only."""


def missing_extra(adapter: str, missing: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error to raise instead: it names the extra that brings what is missing."""
    message = f"`acrux.adapters.{adapter}` needs `{missing.name}`: pip install 'acrux[{adapter}]'"
    return ModuleNotFoundError(message, name=missing.name)
