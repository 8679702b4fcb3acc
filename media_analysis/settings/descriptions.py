"""What the source says below a setting, read when somebody asks: to read it all would double the start of a command."""

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


def describe(model: type[BaseModel], name: str) -> str:
    """Return what stands below an attribute of a model, else what the model says of itself."""
    home = next(kind for kind in model.__mro__ if name in inspect.get_annotations(kind))
    return _below_attributes(home).get(name) or model.__doc__ or ""


@cache
def _below_attributes(model: type[BaseModel]) -> Mapping[str, str]:
    (written,) = ast.parse(inspect.getsource(model)).body
    body = written.body if isinstance(written, ast.ClassDef) else []
    return {
        attribute.target.id: inspect.cleandoc(text)
        for attribute, below in pairwise(body)
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(text := below.value.value, str)
    }
