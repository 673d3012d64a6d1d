"""What a model behind an endpoint is told when it writes the words of a set: the rules, and a request each
for descriptions, templates, and a question with its reasoning. `openai_writer.py` fills the gaps.
"""

RULES = """\
You write for a research data set of medical images. Left and right are sides of the image as displayed, \
never of the patient. Say only what
the image shows or the facts state; where you are not sure, leave it out. Give no diagnosis beyond the \
facts and no advice. Answer with one
JSON object and nothing else."""
DESCRIBE = """\
First comes the image, then the same image with its targets outlined. Describe the image. {modality}
Facts, measured from the outlines: {facts}
Keys: "short_description": one sentence for a layperson on how the targets look and where they lie; \
"long_description": three to six
sentences on anatomy, appearance, what lies beside the targets, and what they do or mean."""
FORMAT = """\
Targets of the kind "{name}" are asked for in medical images without being named. The question should \
{question}. The reasoning should
{think}. Turn this into two templates with gaps in angle brackets.
Keys: "question": one or two sentences with gaps; "think": three to five sentences with gaps."""
ASK = """\
First comes the image, then the same image with its one target outlined.
Target: {name} ({supercategory}). Facts, measured from the outline: {facts}
The image in short: {short} At length: {long}
Template of the question: {question}
Template of the reasoning: {think}
Write for this target:
"question": one or two sentences as a clinician would put them, that this target alone answers. It is \
implicit: do not use the target's name
or any word that begins with one of: {words}. No coordinates, and no mention of an outline.
"think": three to five sentences that reason from the question to the target, name it, and end with where \
it was seen, in exactly these
words: "{place} of the image", with its size as the one word "{size}".
Keys: question, think."""
