"""Writes the JSON schemas that kubeconform checks manifests against, from those that Kubernetes itself publishes.

usage: schemas.py OUT openapi FOLDER    from the OpenAPI v3 documents of a Kubernetes release (api/openapi-spec/v3)
       schemas.py OUT crds FILE...      from CustomResourceDefinitions

Files are named as kubeconform's {{.ResourceKind}}{{.KindSuffix}} looks for them: deployment-apps-v1.json, service-v1.json.
"""

import copy
import json
import sys
from pathlib import Path

import yaml

PREFIX = "#/components/schemas/"


def strict(schema):
    """Refuses fields that the schema does not name, in every object that names some."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def references(schema):
    """The names of the schemas that this one refers to."""
    if isinstance(schema, list):
        for s in schema:
            yield from references(s)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(PREFIX)
            else:
                yield from references(value)


def closure(name, schemas):
    """The named schema and all that it refers to, directly or not."""
    found, todo = {}, [name]
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = schemas[name]
            todo.extend(references(schemas[name]))
    return found


def write(out, group, version, kind, schema):
    words = [kind.lower(), group.split(".")[0], version]
    (out / f"{'-'.join(filter(None, words))}.json").write_text(json.dumps(schema))


def from_openapi(out, folder):
    for path in sorted(Path(folder).glob("*_openapi.json")):
        schemas = strict(json.loads(path.read_text()).get("components", {}).get("schemas", {}))
        for name, schema in schemas.items():
            kinds = schema.get("x-kubernetes-group-version-kind", [])
            # Others, as DeleteOptions, are listed under every group; they are not resources.
            if len(kinds) == 1 and "metadata" in schema.get("properties", {}):
                gvk = kinds[0]
                document = {"$ref": PREFIX + name, "components": {"schemas": closure(name, schemas)}}
                write(out, gvk["group"], gvk["version"], gvk["kind"], document)


def from_crds(out, paths):
    for path in paths:
        crd = yaml.safe_load(Path(path).read_text())
        for version in crd["spec"]["versions"]:
            schema = copy.deepcopy(version["schema"]["openAPIV3Schema"])
            text = {"type": "string"}
            schema["properties"].update(apiVersion=text, kind=text, metadata={"type": "object"})
            write(out, crd["spec"]["group"], version["name"], crd["spec"]["names"]["kind"], strict(schema))


def main(out, source, *arguments):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if source == "openapi":
        from_openapi(out, *arguments)
    else:
        from_crds(out, arguments)


main(*sys.argv[1:])
