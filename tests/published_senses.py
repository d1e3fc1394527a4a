"""Configurations of published models of translation, speech, images and music, as ``published_models`` has those of language."""

from __future__ import annotations

from collections.abc import Mapping

from tests.published_models import QWEN25_VL_7B, Published

_BART = {
    "architectures": ["BartForConditionalGeneration"], "model_type": "bart", "activation_function": "gelu", "d_model": 1024,
    "decoder_attention_heads": 16, "decoder_ffn_dim": 4096, "decoder_layers": 12, "decoder_start_token_id": 2,
    "encoder_attention_heads": 16, "encoder_ffn_dim": 4096, "encoder_layers": 12, "is_encoder_decoder": True,
    "num_hidden_layers": 12,
    "max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1, "vocab_size": 50264,
    "scale_embedding": False,
}  # fmt: skip
_T5 = {
    "architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "decoder_start_token_id": 0, "dropout_rate": 0.1,
    "eos_token_id": 1, "pad_token_id": 0, "is_encoder_decoder": True, "relative_attention_num_buckets": 32, "n_positions": 512,
    "layer_norm_epsilon": 1e-06,
}  # fmt: skip
_WAV2VEC = {
    "activation_dropout": 0.1, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "conv_bias": True, "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2], "do_stable_layer_norm": True,
    "feat_extract_activation": "gelu", "feat_extract_norm": "layer", "hidden_act": "gelu", "hidden_size": 1024,
    "intermediate_size": 4096, "layer_norm_eps": 1e-05, "num_attention_heads": 16, "num_conv_pos_embedding_groups": 16,
    "num_conv_pos_embeddings": 128, "num_feat_extract_layers": 7, "num_hidden_layers": 24, "vocab_size": 32, "layerdrop": 0.1,
}  # fmt: skip
_CLASSES = {"id2label": {str(index): f"class {index}" for index in range(1000)}}
_VIT = {
    "hidden_act": "gelu", "hidden_size": 768, "image_size": 224, "intermediate_size": 3072, "layer_norm_eps": 1e-12,
    "num_attention_heads": 12, "num_channels": 3, "num_hidden_layers": 12, "patch_size": 16, "qkv_bias": True,
}  # fmt: skip
SENSES: Mapping[str, Published] = {
    "google-t5/t5-base": Published("seq2seq", 222.904e6, {
        **_T5, "d_ff": 3072, "d_kv": 64, "d_model": 768, "num_heads": 12, "num_layers": 12, "vocab_size": 32128,
    }),
    "google/flan-t5-xl": Published("seq2seq", 2.8498e9, {
        **_T5, "d_ff": 5120, "d_kv": 64, "d_model": 2048, "num_heads": 32, "num_layers": 24, "num_decoder_layers": 24,
        "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "vocab_size": 32128,
    }),
    "google/mt5-base": Published("seq2seq", 582.402e6, {
        **_T5, "architectures": ["MT5ForConditionalGeneration"], "model_type": "mt5", "d_ff": 2048, "d_kv": 64, "d_model": 768,
        "num_heads": 12, "num_layers": 12, "num_decoder_layers": 12, "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "vocab_size": 250112,
    }),
    "facebook/bart-large-cnn": Published("seq2seq", 406.290e6, _BART),
    "facebook/mbart-large-50": Published("seq2seq", 610.880e6, {
        **_BART, "architectures": ["MBartForConditionalGeneration"], "model_type": "mbart", "vocab_size": 250054,
        "scale_embedding": True, "activation_function": "relu",
    }),
    "Helsinki-NLP/opus-mt-en-de": Published("seq2seq", 74.410e6, {
        **_BART, "architectures": ["MarianMTModel"], "model_type": "marian", "d_model": 512, "decoder_attention_heads": 8,
        "decoder_ffn_dim": 2048, "decoder_layers": 6, "decoder_start_token_id": 58100, "encoder_attention_heads": 8,
        "encoder_ffn_dim": 2048, "encoder_layers": 6, "max_position_embeddings": 512, "pad_token_id": 58100, "eos_token_id": 0,
        "vocab_size": 58101, "static_position_embeddings": True, "scale_embedding": True, "num_hidden_layers": 6,
    }),
    "facebook/nllb-200-distilled-600M": Published("seq2seq", 615.074e6, {
        **_BART, "architectures": ["M2M100ForConditionalGeneration"], "model_type": "m2m_100", "vocab_size": 256206,
        "activation_function": "relu", "scale_embedding": True,
    }),
    "openai/whisper-large-v3-turbo": Published("speech_recognition", 808.878e6, {
        "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "activation_function": "gelu",
        "d_model": 1280,
        "decoder_attention_heads": 20, "decoder_ffn_dim": 5120, "decoder_layers": 4, "decoder_start_token_id": 50258,
        "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "encoder_layers": 32, "is_encoder_decoder": True,
        "max_source_positions": 1500, "max_target_positions": 448, "num_hidden_layers": 32, "num_mel_bins": 128,
        "vocab_size": 51866,
        "bos_token_id": 50257, "eos_token_id": 50257, "pad_token_id": 50257, "begin_suppress_tokens": [220, 50256],
    }),
    "facebook/wav2vec2-large-960h-lv60-self": Published("speech_recognition", 315.472e6, {
        **_WAV2VEC, "architectures": ["Wav2Vec2ForCTC"], "model_type": "wav2vec2",
    }),
    "facebook/hubert-large-ls960-ft": Published("speech_recognition", 315.471e6, {
        **_WAV2VEC, "architectures": ["HubertForCTC"], "model_type": "hubert",
    }),
    "google/vit-base-patch16-224": Published("vision", 86.568e6, {
        **_VIT, **_CLASSES, "architectures": ["ViTForImageClassification"], "model_type": "vit",
    }),
    "facebook/deit-base-distilled-patch16-224": Published("vision", 87.338e6, {
        **_VIT, **_CLASSES, "architectures": ["DeiTForImageClassificationWithTeacher"], "model_type": "deit",
    }),
    "microsoft/swin-base-patch4-window7-224": Published("vision", 87.768e6, {
        **_CLASSES, "architectures": ["SwinForImageClassification"], "model_type": "swin", "depths": [2, 2, 18, 2],
        "embed_dim": 128,
        "hidden_size": 1024, "image_size": 224, "mlp_ratio": 4.0, "num_channels": 3, "num_heads": [4, 8, 16, 32], "num_layers": 4,
        "patch_size": 4, "path_norm": True, "qkv_bias": True, "window_size": 7,
    }),
    "facebook/convnext-base-224": Published("vision", 88.591e6, {
        **_CLASSES, "architectures": ["ConvNextForImageClassification"], "model_type": "convnext", "depths": [3, 3, 27, 3],
        "hidden_sizes": [128, 256, 512, 1024], "image_size": 224, "num_channels": 3, "num_stages": 4, "patch_size": 4,
    }),
    "microsoft/resnet-50": Published("vision", 25.557e6, {
        **_CLASSES, "architectures": ["ResNetForImageClassification"], "model_type": "resnet", "depths": [3, 4, 6, 3],
        "embedding_size": 64, "hidden_sizes": [256, 512, 1024, 2048], "layer_type": "bottleneck", "num_channels": 3,
        "downsample_in_first_stage": False, "hidden_act": "relu",
    }),
    "facebook/dinov2-base": Published("vision", 86.580e6, {
        "architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_act": "gelu", "hidden_size": 768, "image_size": 518,
        "layer_norm_eps": 1e-06, "mlp_ratio": 4, "num_attention_heads": 12, "num_channels": 3, "num_hidden_layers": 12,
        "patch_size": 14, "qkv_bias": True, "use_swiglu_ffn": False, "layerscale_value": 1.0,
    }),
    "openai/clip-vit-large-patch14": Published("vision", 303.18e6, {
        "architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 768, "logit_scale_init_value": 2.6592,
        "text_config": {
            "model_type": "clip_text_model", "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12,
            "num_hidden_layers": 12, "projection_dim": 768, "vocab_size": 49408,
        },
        "vision_config": {
            "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16,
            "num_hidden_layers": 24, "patch_size": 14, "image_size": 224, "projection_dim": 768,
        },
    }),
    "google/siglip-so400m-patch14-384": Published("vision", 428.226e6, {
        "architectures": ["SiglipModel"], "model_type": "siglip",
        "text_config": {
            "hidden_size": 1152, "intermediate_size": 4304, "model_type": "siglip_text_model", "num_attention_heads": 16,
            "num_hidden_layers": 27,
        },
        "vision_config": {
            "hidden_size": 1152, "image_size": 384, "intermediate_size": 4304, "model_type": "siglip_vision_model",
            "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
        },
    }),
    "facebook/mms-tts-eng": Published("text_to_speech", 28.06e6, {
        "architectures": ["VitsModel"], "model_type": "vits", "vocab_size": 38, "hidden_size": 192, "num_hidden_layers": 6,
        "num_attention_heads": 2, "ffn_dim": 768, "sampling_rate": 16000, "upsample_rates": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4], "upsample_initial_channel": 512, "use_stochastic_duration_prediction": True,
    }),
    "microsoft/speecht5_tts": Published("text_to_speech", 157.09e6, {
        "architectures": ["SpeechT5ForTextToSpeech"], "model_type": "speecht5", "vocab_size": 81, "hidden_size": 768,
        "encoder_layers": 12, "decoder_layers": 6, "encoder_attention_heads": 12, "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "max_text_positions": 600, "max_speech_positions": 4000,
        "num_mel_bins": 80, "speaker_embedding_dim": 512, "is_encoder_decoder": True, "reduction_factor": 2,
    }),
    "facebook/musicgen-small": Published("music", 559.487e6, {
        "architectures": ["MusicgenForConditionalGeneration"], "model_type": "musicgen", "is_encoder_decoder": True,
        "audio_encoder": {
            "model_type": "encodec", "hidden_size": 128, "num_filters": 64, "upsampling_ratios": [8, 5, 4, 4],
            "sampling_rate": 32000, "codebook_size": 2048, "num_lstm_layers": 2, "target_bandwidths": [2.2],
        },
        "decoder": {
            "model_type": "musicgen_decoder", "vocab_size": 2048, "hidden_size": 1024, "num_hidden_layers": 24, "ffn_dim": 4096,
            "num_attention_heads": 16, "num_codebooks": 4, "max_position_embeddings": 2048, "pad_token_id": 2048,
        },
        "text_encoder": {
            "model_type": "t5", "vocab_size": 32128, "d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12,
        },
    }),
    "llava-hf/llava-1.5-7b-hf": Published("multimodal", 7.0634e9, {
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "ignore_index": -100, "image_token_index": 32000,
        "pad_token_id": 32001, "projector_hidden_act": "gelu", "vision_feature_layer": -2, "tie_word_embeddings": False,
        "vision_feature_select_strategy": "default",
        "text_config": {
            "_name_or_path": "lmsys/vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096,
            "model_type": "llama", "rms_norm_eps": 1e-05, "torch_dtype": "float16", "vocab_size": 32064,
        },
        "vision_config": {
            "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model",
            "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768, "vocab_size": 32000,
        },
    }),
    "Qwen/Qwen2.5-VL-7B-Instruct": Published("multimodal", 8.2922e9, QWEN25_VL_7B),
}  # fmt: skip
