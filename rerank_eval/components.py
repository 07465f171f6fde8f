"""Parts of an evaluation by configuration: `_target_` names a class or function, the other keys are its arguments.

An argument may itself be a component, or a list or mapping of them, as deep as one likes.
"""

import importlib
import inspect
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import typeguard

from rerank_eval.errors import ConfigError, MissingExtraError, NotCachedError, RerankEvalError, nearest

_WORDS = {
    int: "an integer",
    float: "a number",
    str: "text",
    bool: "true or false",
    NoneType: "null",
    None: "null",
    object: "anything",
    Any: "anything",
}


def check_component(component: object, where: str) -> None:
    """Check that the target exists and takes these arguments, without calling it; the same of every component inside.

    Raises:
        ConfigError: there is no such class, or an argument is unknown or missing; names the nearest valid ones.
    """
    target, arguments = _split(component, where)
    _replace_components(arguments, where, check_component)
    try:
        signature = inspect.signature(target, eval_str=True)
    except (ValueError, NameError):
        return  # an annotation may name what is imported for type checkers only; a class written in C may tell nothing about its arguments
    parameters = signature.parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for name in arguments:
            if name not in parameters:
                raise ConfigError(f"{where} has no setting {name!r}: {nearest(name, parameters)}")
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
    for name, value in arguments.items():
        if name in parameters and not _holds_component(value):
            _check_type(value, parameters[name].annotation, f"{where}.{name}")


def _holds_component(value: object) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_holds_component, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_component, value))


def _check_type(value: object, annotation: Any, where: str) -> None:
    if annotation is inspect.Parameter.empty:
        return
    try:
        typeguard.check_type(
            value,
            annotation,
            collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS,
            forward_ref_policy=typeguard.ForwardRefPolicy.IGNORE,
        )
    except typeguard.TypeCheckError as error:
        raise ConfigError(_wrong_type(value, annotation, where)) from error
    kinds = get_args(annotation) or (annotation,)
    if isinstance(value, bool) and {int, float} & set(kinds) and not {bool, object, Any} & set(kinds):
        # to Python true is the integer 1, to the user it is a slip
        raise ConfigError(_wrong_type(value, annotation, where))


def _wrong_type(value: object, annotation: Any, where: str) -> str:
    return f"{where} is {as_written(value)}; it must be {_in_words(annotation)}"


def as_written(value: object) -> str:
    """Return a value as a user writes it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else repr(value)


def _in_words(annotation: Any) -> str:
    """Return what a user writes for a type; its Python name where there are no words for it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, arguments))
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"a mapping (each value {_in_words(arguments[-1])})"
    if inspect.isclass(origin) and issubclass(origin, Sequence):
        return f"a list (each element {_in_words(arguments[0])})"
    return inspect.formatannotation(annotation)


def make_component(component: object, where: str, **offered: object) -> Any:
    """Call the target with its arguments, every component inside them made first; of `offered` it gets what it has a parameter for.

    Raises:
        ConfigError: the arguments are wrong, or a package is missing (the message says how to install it).
    """
    target, arguments = _split(component, where)
    made = {name: _replace_components(value, f"{where}.{name}", make_component) for name, value in arguments.items()}
    parameters = _parameters(target)
    made |= {name: value for name, value in offered.items() if name in parameters}
    try:
        return target(**made)
    except RerankEvalError as error:
        if isinstance(error, ConfigError) and where not in str(error) and not isinstance(error, MissingExtraError):
            kind = NotCachedError if isinstance(error, NotCachedError) else ConfigError
            raise kind(f"{where}: {error}") from error
        raise
    except ImportError as error:
        raise _missing(error, where) from error
    except (TypeError, ValueError) as error:  # mostly a wrong value; where it is a bug, the place tells
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(f"{where} cannot be made: {error} ({place.filename}:{place.lineno})") from error


def _replace_components(value: object, where: str, replace: Callable[[object, str], object]) -> object:
    """Return `value` with every component inside it replaced by what `replace` makes of it and its place."""
    if isinstance(value, Mapping):
        if "_target_" in value:
            return replace(value, where)
        return {name: _replace_components(part, f"{where}.{name}", replace) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_components(part, f"{where}[{index}]", replace) for index, part in enumerate(value)]
    return value


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target).parameters
    except ValueError:
        return {}  # a class written in C may tell nothing about its arguments


def _split(component: object, where: str) -> tuple[Callable[..., Any], Mapping[str, Any]]:
    if not isinstance(component, Mapping) or not isinstance(component.get("_target_"), str):
        raise ConfigError(f"{where} needs a _target_, the dotted name of a class, e.g. mypackage.mymodule.MyReranker")
    return _locate(component["_target_"], where), {name: v for name, v in component.items() if name != "_target_"}


def _locate(dotted: str, where: str) -> Callable[..., Any]:
    module_name, _, attribute = dotted.rpartition(".")
    try:
        module = importlib.import_module(module_name) if module_name else None
    except (TypeError, ValueError) as error:  # a name that begins with a dot, or has two in a row
        raise ConfigError(f"{where}: {dotted!r} is no dotted name of a class") from error
    except ImportError as error:
        name = getattr(error, "name", None) or ""
        if isinstance(error, ModuleNotFoundError) and (module_name == name or module_name.startswith(f"{name}.")):
            raise ConfigError(
                f"{where}: there is no module {name!r} for _target_ {dotted!r}; it is looked for in {Path.cwd()} and in the installed packages"
            ) from error
        raise _missing(error, where) from error
    target = getattr(module, attribute, None)
    if not callable(target):
        names = [name for name, value in vars(module).items() if callable(value)] if module else []
        raise ConfigError(f"{where}: {module_name or dotted!r} has no class {attribute!r}: {nearest(attribute, names)}")
    found: Callable[..., Any] = target
    return found


def _missing(error: ImportError, where: str) -> ConfigError:
    package = f"the package that has {error.name}" if error.name else "the package it needs"
    return ConfigError(f"{where}: {error}; install {package}")
