lycoris list adapters
lycoris list presets --json
lycoris list presets attn-mlp
