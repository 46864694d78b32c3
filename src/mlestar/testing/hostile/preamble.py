import atexit, csv, ctypes, fcntl, gc, glob, gzip, hashlib, os, pickle, signal, socket, subprocess, sys, threading, time  # noqa

W = {}
libc = ctypes.CDLL(None, use_errno=True)
sleep = [sys.executable, "-c", "import time; time.sleep(600)  # " + W["token"]]


def seek(data):
    """Whether the secret is in some text. It is known by its digest, so that this script does not hold it."""
    text = data.decode("latin-1") if isinstance(data, bytes) else data
    for word in text.replace("=", "\0").split("\0"):
        if len(word) == W["length"] and hashlib.sha256(word.encode()).hexdigest() == W["digest"]:
            print("GOT the secret")
