package org.tensorflow.lite

enum class DataType { FLOAT32, INT32, INT64, UINT8 }

/** An interface in the real API as well. */
interface Tensor {
    fun dataType(): DataType

    fun numElements(): Int

    fun numBytes(): Int
}
