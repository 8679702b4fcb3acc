"""Which statements write which table: the SQL in strings, Core's statements, and rows given to a session or changed."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from scripts.survey.modules import Module

UNKNOWN: Final = "?"
"""The table of a statement that names it only when it runs."""
_VERBS: Final = {"insert": "INSERT", "update": "UPDATE", "delete": "DELETE"}
_STATEMENT: Final = re.compile(
    r'\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?(?:[a-z_]+\.)?"?(\{\}|[a-z_][a-z0-9_]*)'
)
# Lower case is prose more often than SQL, so there only tables that exist count.
_IN_ANY_CASE: Final = re.compile(_STATEMENT.pattern, re.IGNORECASE)
_FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_PLACE: Final = re.compile(r"\{(\w*)[^{}]*\}")


class Write(NamedTuple):
    """A statement that writes a table."""

    table: str
    verb: str
    module: Module
    line: int


def find_models(modules: Sequence[Module]) -> Mapping[str, str]:
    """Return the tables of mapped classes, by the names of the classes."""
    return {
        node.name: ast.literal_eval(statement.value)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__tablename__"
    }


def find_writes(modules: Sequence[Module]) -> Sequence[Write]:
    """Return all statements that write a table, in the order of modules and lines."""
    models = find_models(modules)
    rows = _functions_of_rows(modules, models)
    return [write for module in modules for write in sorted(_writes_of(module, models, rows), key=lambda one: one.line)]


def writers_of(modules: Sequence[Module]) -> Mapping[str, set[str]]:
    """Return the packages that write each table."""
    writers: dict[str, set[str]] = {}
    for write in find_writes(modules):
        writers.setdefault(write.table, set()).add(write.module.package)
    return writers


def _functions_of_rows(modules: Sequence[Module], models: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tables of which functions return a row, alone or first of several, by names that mean nothing else."""
    returned: dict[str, set[str | None]] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, _FUNCTION):
                returned.setdefault(node.name, set()).add(_row_of(node.returns, models))
    return {name: table for name, (table, *others) in returned.items() if table is not None and not others}


def _row_of(annotation: ast.expr | None, models: Mapping[str, str]) -> str | None:
    match annotation:
        case ast.Name(id=name):
            return models.get(name)
        case ast.BinOp(left=left):
            return _row_of(left, models)
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[first, *_])):
            return _row_of(first, models)
    return None


def _writes_of(module: Module, models: Mapping[str, str], rows: Mapping[str, str]) -> Iterator[Write]:
    core, classes = _names_of(module.tree, models)
    constants = _constants_of(module.tree)
    for line, sql in strings_of(module.tree):
        for table, verb, lines_below in _written_in(sql, set(models.values()), constants):
            yield Write(table, verb, module, line + lines_below)
    for call in ast.walk(module.tree):
        if isinstance(call, ast.Call) and (found := _written_by(call, core, classes)) is not None:
            yield Write(*found, module, call.lineno)
        if isinstance(call, _FUNCTION):
            for table, line in _changed_in(call, classes, rows):
                yield Write(table, "UPDATE", module, line)


def _changed_in(
    function: ast.FunctionDef | ast.AsyncFunctionDef, classes: Mapping[str, str], rows: Mapping[str, str]
) -> set[tuple[str, int]]:
    """Return the tables of rows that a function was given, or got, and the lines where it sets attributes of them."""
    arguments = (*function.args.args, *function.args.kwonlyargs)
    known = {one.arg: table for one in arguments if (table := _row_of(one.annotation, classes))}
    changed: set[tuple[str, int]] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AugAssign):
            value = node.value.value if isinstance(node.value, ast.Await) else node.value
            got = _got_by(value, classes, rows) if isinstance(value, ast.Call) else None
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                if got is not None and isinstance(parts[0], ast.Name):
                    known[parts[0].id] = got
                owners = (part.value for part in parts if isinstance(part, ast.Attribute))
                names = (owner.id for owner in owners if isinstance(owner, ast.Name))
                changed |= {(known[name], node.lineno) for name in names if name in known}
    return changed


def _got_by(call: ast.Call, classes: Mapping[str, str], rows: Mapping[str, str]) -> str | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"get", "get_one"} and call.args:
        return _table_of(call.args[0], classes)
    return rows.get(name)


def _names_of(tree: ast.Module, models: Mapping[str, str]) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return Core's functions and the tables of models, by the names a module knows them by."""
    core: dict[str, str] = {}
    classes = dict(models)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                known = name.asname or name.name
                if (node.module or "").startswith("sqlalchemy") and name.name in _VERBS:
                    core[known] = _VERBS[name.name]
                elif name.name in models:
                    classes[known] = models[name.name]
    return core, classes


def _written_by(call: ast.Call, core: Mapping[str, str], classes: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the table and the verb of a call that makes a statement, or a row for a session."""
    first = _table_of(call.args[0], classes) if call.args else None
    match call.func:
        case ast.Name(id=name) if name in core:
            return first or UNKNOWN, core[name]
        case ast.Name(id=name) if name in classes:
            return classes[name], "INSERT"
        case ast.Attribute(attr=verb, value=of) if verb in _VERBS:
            table = _table_of(of, classes) if ast.unparse(of).endswith(".__table__") else first
            if table is not None:
                return table, _VERBS[verb]
            return (UNKNOWN, "DELETE") if verb == "delete" and ast.unparse(of).endswith("session") else None
    return None


def _table_of(node: ast.expr, classes: Mapping[str, str]) -> str | None:
    while isinstance(node, ast.Attribute):
        if node.attr in classes:
            return classes[node.attr]
        node = node.value
    return classes.get(node.id) if isinstance(node, ast.Name) else None


def _written_in(sql: str, tables: set[str], constants: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Yield the tables that SQL writes, with the verb, and how many lines below its beginning that stands."""
    if sql.strip() in _VERBS.values():  # of a template
        yield UNKNOWN, sql.strip(), 0
    filled = _PLACE.sub(lambda place: constants.get(place[1], "{}"), sql)
    for match in _IN_ANY_CASE.finditer(filled):
        table = match[2]
        if table in tables or _STATEMENT.match(filled, match.start()):
            name = UNKNOWN if table == "{}" else table
            yield name, match[1].split()[0].upper(), filled.count("\n", 0, match.start())


def _constants_of(tree: ast.Module) -> Mapping[str, str]:
    """Return a module's strings, by their names."""
    found: dict[str, str] = {}
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found |= {target.id: value.value for target in targets if isinstance(target, ast.Name)}
    return found


def strings_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield strings that are no documentation, those with places for values whole."""
    passed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):  # the whole before its parts
        if id(node) in passed:
            continue
        if isinstance(node, ast.JoinedStr):
            passed |= {id(part) for part in node.values}
            yield node.lineno, "".join(_part(value) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def _part(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    inner = value.value if isinstance(value, ast.FormattedValue) else value
    return f"{{{inner.id}}}" if isinstance(inner, ast.Name) else "{}"
