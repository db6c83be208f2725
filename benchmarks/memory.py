"""The memory of a process and of those that it starts."""

import psutil


def bytes_of(pid: int) -> int:
    """What they have now; what they share counts once. 0 for a process that has ended."""
    found = 0
    try:
        process = psutil.Process(pid)
        together = (process, *process.children(recursive=True))
    except psutil.Error:
        return 0
    for each in together:
        try:
            found += each.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return found
