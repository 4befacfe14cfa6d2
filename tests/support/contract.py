"""The contract as a judge: which calls exist, and whether a request or an answer is what it promises."""

import functools
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import yaml
from referencing import Registry
from referencing.jsonschema import DRAFT202012

PATH = Path(__file__).parents[2] / "dataflow_async" / "contract" / "dataflow.openapi.yaml"
_URI = "urn:contract"
_VERBS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


@functools.cache
def document() -> dict[str, Any]:
    """The whole contract."""
    return yaml.load(PATH.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@attrs.frozen
class Operation:
    """One call as the contract has it."""

    operation_id: str
    method: str
    """In capitals."""
    path: str
    pointer: str
    """Where it stands in the contract, as a JSON pointer."""

    @property
    def node(self) -> dict[str, Any]:
        return document()["paths"][self.path][self.method.lower()]


@functools.cache
def operations() -> dict[str, Operation]:
    """Every call by its operationId."""
    return {
        node["operationId"]: Operation(node["operationId"], verb.upper(), path, _pointer("paths", path, verb))
        for path, verbs in document()["paths"].items()
        for verb, node in verbs.items()
        if verb in _VERBS
    }


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a ``$ref`` inside the contract."""
    while "$ref" in node:
        target: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def request_schema(operation_id: str) -> dict[str, Any] | None:
    """The schema of the request body, if the call takes one."""
    if "requestBody" not in operations()[operation_id].node:
        return None
    pointer = operations()[operation_id].pointer
    return {"$ref": f"{_URI}#{pointer}/requestBody/content/application~1json/schema"}


def request_examples(operation_id: str) -> dict[str, Any]:
    """The printed bodies of a call by name."""
    content = operations()[operation_id].node["requestBody"]["content"]["application/json"]
    return {name: resolve(example)["value"] for name, example in content["examples"].items()}


def validate_request(operation_id: str, body: Any) -> None:
    """Raise `jsonschema.ValidationError` unless this is a body of that call."""
    schema = request_schema(operation_id)
    assert schema is not None, f"{operation_id} takes no body"
    _validator(schema["$ref"]).validate(body)


def accepts(operation_id: str, body: Any) -> bool:
    """Whether this is a body of that call; quicker than to be told what is wrong with it."""
    schema = request_schema(operation_id)
    assert schema is not None, f"{operation_id} takes no body"
    return _validator(schema["$ref"]).is_valid(body)


def validate_response(operation_id: str, status: int, body: Any) -> None:
    """Raise unless the call may answer with this status and body; ``None`` stands for an empty body.

    A status that the contract does not list for the call is an error here, although it has a ``default``.
    """
    operation = operations()[operation_id]
    assert str(status) in operation.node["responses"], f"{operation_id} does not answer {status}"
    response = resolve(operation.node["responses"][str(status)])
    if body is None:
        assert "content" not in response or response.get("x-body-optional"), (
            f"{operation_id} {status} needs a body"
        )
        return
    schema = response["content"]["application/json"]["schema"]
    _validator(_URI + schema["$ref"]).validate(body)


@functools.cache
def _validator(reference: str) -> jsonschema.Draft202012Validator:
    schema: Any = document()
    for step in reference.removeprefix(f"{_URI}#/").split("/"):
        schema = schema[step.replace("~1", "/").replace("~0", "~")]
    return jsonschema.Draft202012Validator(_inlined(schema), registry=_registry())


@functools.cache
def _registry() -> Registry:
    return Registry().with_resource(_URI, DRAFT202012.create_resource(document()))


def _inlined(node: Any, inside: tuple[str, ...] = ()) -> Any:
    """A schema with all ``$ref`` replaced that do not recur: to follow them takes most of the time of a judgement."""
    if isinstance(node, list):
        return [_inlined(inner, inside) for inner in node]
    if not isinstance(node, dict):
        return node
    rest = {name: _inlined(inner, inside) for name, inner in node.items() if name != "$ref"}
    if "$ref" not in node:
        return rest
    reference = node["$ref"]
    if reference in inside:
        target = {"$ref": _URI + reference}
    else:
        target = _inlined(resolve({"$ref": reference}), (*inside, reference))
    return {"allOf": [target], **rest} if rest else target


def _pointer(*steps: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
