"""Tasks that exclude each other by key: who holds it, who shares its outcome, who waits behind. No core in here."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pvsched.scheduler.rules import Rules


class Group:
    """One piece of work under a key: the core's task `id`, and the ids that get its outcome.

    `members` has `id` itself as long as its caller did not cancel it; the others are `coalesce`d. Never empty.
    `cancelled`: its last sharer has cancelled it, so it is not for others to share any more.
    `rules`: the work's own, from when its caller has cancelled it and it goes on for the others.
    """

    __slots__ = ("cancelled", "id", "key", "members", "rules")

    def __init__(self, key: str, id: int) -> None:
        self.key = key
        self.id = id
        self.members: dict[int, None] = {id: None}
        self.cancelled = False
        self.rules: Rules | None = None


class Keys:
    """For each key at most one holder, and at most one that waits behind it."""

    def __init__(self) -> None:
        self._holders: dict[str, Group] = {}
        self._waiting: dict[str, Group] = {}
        self._by_member: dict[int, Group] = {}
        self._by_id: dict[int, Group] = {}

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def newest(self, key: str) -> Group | None:
        """Return the group that a new task with this key meets: the one that waits, else the holder."""
        return self._waiting.get(key) or self._holders.get(key)

    def holder(self, key: str) -> Group | None:
        """Return the group that holds the key."""
        return self._holders.get(key)

    def of(self, member: int) -> Group | None:
        """Return the group that a live id belongs to."""
        return self._by_member.get(member)

    def sharers(self, id: int) -> list[int]:
        """Return the ids that get the outcome of the work `id`, with its own, unless its caller has cancelled that."""
        group = self._by_id.get(id)
        return [id] if group is None else list(group.members)

    def hold(self, key: str, id: int) -> None:
        """A new task takes the free key."""
        self._holders[key] = self._enter(key, id)

    def wait(self, key: str, id: int) -> None:
        """A new task waits behind the holder; one that waited before has been cancelled by the caller of this."""
        self._waiting[key] = self._enter(key, id)

    def share(self, group: Group, id: int) -> None:
        """A new id gets this group's outcome."""
        group.members[id] = None
        self._by_member[id] = group

    def leave(self, member: int, rules: Rules) -> None:
        """One of several members goes, that has these rules; the work goes on for the others."""
        group = self._by_member.pop(member)
        del group.members[member]
        if member == group.id:
            group.rules = rules

    def rules(self, id: int) -> Rules | None:
        """Return the rules of the work `id`, if its own caller has cancelled it."""
        group = self._by_id.get(id)
        return None if group is None else group.rules

    def end(self, id: int) -> tuple[Group, Group | None] | None:
        """The work `id` has ended: return its group and the one to be released now, or None if it had no key."""
        group = self._by_id.pop(id, None)
        if group is None:
            return None
        for member in group.members:
            del self._by_member[member]
        if self._waiting.get(group.key) is group:
            del self._waiting[group.key]
        if self._holders.get(group.key) is not group:
            return group, None
        del self._holders[group.key]
        successor = self._waiting.pop(group.key, None)
        if successor is not None:
            self._holders[group.key] = successor
        return group, successor

    def _enter(self, key: str, id: int) -> Group:
        group = Group(key, id)
        self._by_id[id] = self._by_member[id] = group
        return group
