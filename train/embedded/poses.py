"""Which data sets `train/embedded/augment.py` may mirror and turn, and which it brings upright."""

from PIL import Image

# sets in which a mirror image could be another patient's
MIRRORED = {
    "busi",
    "us_breast_busi",
    "us_breast_busbra",
    "hc18_fetal_head",
    "us_kidney_stone",
    "isic2017",
    "kvasir_seg",
    "endo_edd2020",
    "histo_glomeruli",
    "cyto_wbc_krd",
    "cxr_lungs_mc_shenzhen",
    "xray_angio_coronary",
    "mammo_cesm",
    "ct_lung_tumour_msd",
    "ct_brain_haemorrhage_ich",
    "mri_brain_ms_flair",
    "mri_brain_tumour_t2",
    "mri_brain_tumour_brisc",
    "mri_nasopharynx",
    "mri_prostate158",
    "petct_mri_sarcoma",
    "idrid_optic_disc",
    "fundus_disc_drishti",
    "fundus_rop_ridge",
    "oct_lesions",
}
# sets whose images are stored head down, turned or mirrored: what brings them to the position radiologists
# expect, in half of the views
STANDARD = {
    "mri_spine_spider_t2": Image.Transpose.FLIP_TOP_BOTTOM,
    "ct_lung_tumour_msd": Image.Transpose.TRANSVERSE,
    "ct_hepatic_vessel_msd": Image.Transpose.TRANSVERSE,
    "ct_heart_hocm": Image.Transpose.FLIP_LEFT_RIGHT,
}
# sets without an up and a down
TURNED = {
    "isic2017",
    "histo_glomeruli",
    "cyto_wbc_krd",
    "kvasir_seg",
    "endo_edd2020",
}
