"""A SAM 2 of a few thousand weights, as options of the `sam2` package and of transformers."""

SMALL_TRUNK = (
    "++model.image_encoder.trunk.embed_dim=16",
    "++model.image_encoder.trunk.stages=[1,1,2,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
)
SMALL_BACKBONE = {
    "hidden_size": 16, "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [16, 32, 64, 128], "global_attention_blocks": [3],
}  # fmt: skip
