"""JSON patches (RFC 6902) and merge patches (RFC 7386)."""


def diff(before, after, path=""):
    """The operations that turn one value into the other."""
    if isinstance(before, dict) and isinstance(after, dict):
        operations = []
        for key in before.keys() - after.keys():
            operations.append({"op": "remove", "path": f"{path}/{_escaped(key)}"})
        for key, value in after.items():
            if key not in before:
                operations.append({"op": "add", "path": f"{path}/{_escaped(key)}", "value": value})
            else:
                operations += diff(before[key], value, f"{path}/{_escaped(key)}")
        return operations
    # True == 1 in Python, not in JSON.
    same = before == after and type(before) is type(after)
    return [] if same else [{"op": "replace", "path": path, "value": after}]


def _escaped(key):
    return key.replace("~", "~0").replace("/", "~1")


def merged(target, patch):
    """The target with a merge patch applied; the target itself is left alone."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def applied(target, operations):
    """The target with `add`, `replace`, `remove` and `test` applied; the target itself is left alone."""
    import copy

    target = copy.deepcopy(target)
    for operation in operations:
        target = _apply(target, operation)
    return target


def _apply(target, operation):
    steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
    if not steps:
        return operation["value"]
    place = target
    for step in steps[:-1]:
        place = place[int(step)] if isinstance(place, list) else place[step]
    last = steps[-1]
    if isinstance(place, list):
        last = len(place) if last == "-" else int(last)
    match operation["op"]:
        case "add" if isinstance(place, list):
            place.insert(last, operation["value"])
        case "add":
            place[last] = operation["value"]
        case "replace":
            if not isinstance(place, list) and last not in place:
                raise ValueError(f"{operation['path']}: there is nothing to replace")
            place[last] = operation["value"]
        case "remove":
            del place[last]
        case "test":
            if place[last] != operation["value"]:
                raise ValueError(f"{operation['path']}: the test fails")
        case other:
            raise ValueError(f"{other} is not done here")
    return target
