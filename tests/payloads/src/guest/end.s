# The end of the image.

    .globl ovum_payloads_end
    .hidden ovum_payloads_end
ovum_payloads_end:
    .text
