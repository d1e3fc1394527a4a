"""How large a sample may be: what is larger is skipped by name before it costs memory or time. ``docs/method.md`` states them."""

from __future__ import annotations

MAX_PIXELS = 80_000_000
"""Of an image or a frame of a video: 10,000 x 8,000, 320 MB in Pillow; less than what Pillow warns of."""
MAX_SCANNED_PIXELS = 12 * MAX_PIXELS
"""Of a JPEG, over all its scans: each goes over the whole image. Progressive ones have ten; thousands take minutes."""
MAX_SAMPLE_BYTES = 1 << 29
"""Of the file, or the member of a shard, that holds an image, a recording or a clip: it is read into memory whole."""
MAX_LINE_BYTES = 1 << 24
"""Of one JSON line, and of one text in a parquet file. Plain text may be one line of any length."""
MAX_TEXT_FILE_BYTES = 1 << 40
"""Of a text file: more would be millions of units."""
MAX_ROW_GROUPS = 100_000
"""Of a parquet file."""
MAX_ROW_GROUP_CHARS = 1 << 30
"""Of the texts of one parquet row group: what follows is not read. A dictionary unfolds a small file to any length."""
MAX_CHANNELS = 64
"""Of a recording."""
SAMPLING_RATES_HZ = (1_000, 384_000)
"""Of a recording: a resampling filter has twenty taps for each step of the ratio, 2.5 GB of them at 16 MHz."""
MAX_AUDIO_VALUES = 1 << 26
"""Of a recording, over all channels: what follows is not decoded. 256 MB as fp32, 70 minutes at 16 kHz in one channel."""
