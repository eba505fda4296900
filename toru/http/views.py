"""What somebody may see of a plugin: pure."""

from __future__ import annotations

from toru.model import PluginStatus, PluginSummary, Principal

# The problem itself may quote what the plugin wrote.
_PROBLEM = "Something is wrong with this plugin. An admin can see what it is."


def shown_to(principal: Principal, status: PluginStatus) -> PluginSummary:
    """The whole of it to an admin, and to all others what tells nothing of the inside."""
    if principal.kind == "admin":
        return status
    shown = {name: getattr(status, name) for name in PluginSummary.__struct_fields__}
    return PluginSummary(**{**shown, "problem": status.problem and _PROBLEM})
