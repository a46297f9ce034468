package org.pytorch.executorch

/** A value of several kinds; here a tensor or none. */
class EValue private constructor(private val tensor: Tensor?) {
    fun toTensor(): Tensor = tensor ?: throw IllegalStateException("Expected EValue type Tensor, actual type None")

    companion object {
        @JvmStatic
        fun from(tensor: Tensor): EValue = EValue(tensor)

        @JvmStatic
        fun optionalNone(): EValue = EValue(null)
    }
}
