cp "$src/examples/adapter/adapter.safetensors" a.safetensors
lycoris metadata a.safetensors --set 'ss_tag_frequency={"10_fox":{"fox":7,"snow":3},"2_x":{"snow":1,"<b>":2}}' -i
lycoris metadata a.safetensors --tags 2 | grep tags
lycoris metadata a.safetensors --sidecars && grep activation a.json
lycoris metadata a.safetensors --set 'ss_tag_frequency=[1]' -i && lycoris metadata a.safetensors | grep -c tags
