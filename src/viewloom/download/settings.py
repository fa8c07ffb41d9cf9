"""Settings of `viewloom download`."""

from dataclasses import dataclass

from viewloom.identity import free
from viewloom.ranges import Settings


@dataclass(frozen=True, kw_only=True)
class DownloadConfig(Settings):
    """Settings of `viewloom download`: a public data set from the Hugging Face hub."""

    dataset: str
    """What to download: assembly101 (cvml-nus/assembly101), 50salads, breakfast or gtea (dinggd/...)."""
    out: str | None = None
    """Folder of the data set; one that was begun there is gone on with. Default: its name, in the current folder."""
    views: str | None = None
    """Views whose features to download, comma-separated (v3,e4), one after the other; of assembly101 a fixed
    camera has about 34 GB. Default: none, annotations alone."""
    annotations: bool = True
    """Labels, action list and split lists too."""
    plan: bool = False
    """Say what would be downloaded, how large it is and how much room there is, and download nothing."""
    keep_archives: bool = False
    """Keep archives once they are unpacked, which takes about twice the room."""
    overwrite: bool = free(default=False)
    """Download into a folder that holds other files; those that have the name of one of the data set's are replaced."""
    revision: str = "main"
    """Branch, tag or commit of the repository."""
