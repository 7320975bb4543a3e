"""The plain written definition of a decision on levels, to hold the real one against. No speed, no cleverness."""


def reference_decision(rungs, default, rules, requested=None, requested_max_age=None):
    """The definition in policy-language.md, "What a decision is", on names.

    `rungs` is [(level, max_age)], lowest first; `rules` is [(mode, level, max_age, [instead of each exception that
    matched], [instead of each break-glass that matched])] of the rules that matched or errored.
    """
    order = [level for level, _ in rungs] + ["deny"]
    standing = []
    for mode, level, max_age, exceptions, break_glass in rules:
        final = min([level, *exceptions], key=order.index)
        if final != "deny":
            final = min([final, *break_glass], key=order.index)
        standing.append((mode, final, max_age if final == level else None))
    own = [default] + ([requested] if requested is not None else [])
    enforced = [level for mode, level, _ in standing if mode == "enforce"]
    level = max(own + enforced, key=order.index)
    shadow = max(own + [level for _, level, _ in standing], key=order.index)
    if level in (order[0], "deny"):
        return level, shadow, None
    ages = [dict(rungs)[level], requested_max_age]
    ages += [max_age for mode, _, max_age in standing if mode == "enforce"]
    return level, shadow, min((age for age in ages if age is not None), default=None)
