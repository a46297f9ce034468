package org.tensorflow.lite

object TensorFlowLite {
    @JvmStatic
    fun runtimeVersion(): String = "played"
}
