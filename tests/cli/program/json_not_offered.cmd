lycoris --json completion bash
