"""How large a sample may be: what is larger is skipped by name before it costs memory or time. ``docs/method.md`` states them."""

from __future__ import annotations

MAX_PIXELS = 80_000_000
"""Of an image or a frame of a video: 10,000 x 8,000, 320 MB in Pillow; less than what Pillow warns of."""
MAX_SAMPLE_BYTES = 1 << 30
"""Of the file, or the member of a shard, that holds an image, a recording or a clip: it is read into memory whole."""
MAX_LINE_BYTES = 1 << 24
"""Of one JSON line, and of one text in a parquet file. Plain text may be one line of any length."""
MAX_TEXT_FILE_BYTES = 1 << 40
"""Of a text file: more would be millions of units."""
MAX_ROW_GROUP_BYTES = 2 << 30
"""Of the text column of one parquet row group, uncompressed."""
MAX_CHANNELS = 64
"""Of a recording."""
SAMPLING_RATES_HZ = (1_000, 384_000)
"""Of a recording: a resampling filter has twenty taps for each step of the ratio, 2.5 GB of them at 16 MHz."""
MAX_AUDIO_VALUES = 1 << 27
"""Of a recording, over all channels: what follows is not decoded. 512 MB as fp32, 2.3 h at 16 kHz in one channel."""
