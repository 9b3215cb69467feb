"""Refuses namespaces that name no owner."""

from orch_sdk import export
from orch_sdk.admission import Check, Denied, Description, Rule

OWNER = "example.com/owner"


@export
class {{Pascal}}(Check):
    def describe(self):
        return Description(rules=[Rule(["CREATE", "UPDATE"], ["namespaces"])])

    def review(self, request):
        if request.label(OWNER) is None:
            raise Denied(f"a namespace needs the label {OWNER}")
