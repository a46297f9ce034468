package org.mobilevitedge.app

import android.content.Context
import android.os.Build
import java.io.File
import java.io.IOException
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.core.CpuFeatures
import org.mobilevitedge.executorch.ExecuTorchClassifier
import org.mobilevitedge.litert.LiteRTClassifier
import org.mobilevitedge.onnx.OnnxClassifier
import org.mobilevitedge.qnn.Qnn

/** The adapters of this app. A further runtime is a module beside them, and a line here. */
object Runtimes {
    private val adapters: Map<String, (Bundle, Int) -> Classifier> = mapOf(
        "onnx" to { bundle, threads -> OnnxClassifier(bundle, threads) },
        "executorch" to { bundle, threads -> ExecuTorchClassifier(bundle, threads, armFeatures()) },
        "litert" to { bundle, threads -> LiteRTClassifier(bundle, threads) },
    )

    /** Qualcomm's NPU, if this build of the app has its library: see the README. */
    fun npu(context: Context): Qnn? =
        Qnn(File(context.applicationInfo.nativeLibraryDir), chip()).takeIf { it.isPresent }

    /** The chip by its maker's name, such as `SM8650`; null before Android 12. */
    private fun chip(): String? = try {
        Build::class.java.getField("SOC_MODEL").get(null) as? String
    } catch (error: ReflectiveOperationException) {
        null
    }

    /** @throws BundleException if this app has no runtime for the bundle, or it refuses the model. */
    fun load(bundle: Bundle, threads: Int): Classifier {
        val target = bundle.manifest.target
        val adapter = adapters[target]
            ?: throw BundleException("a bundle for $target does not run in this app: export it for ${adapters.keys.joinToString(" or ")}")
        try {
            return adapter(bundle, threads)
        } catch (error: LinkageError) {
            throw BundleException("this build of the app lacks the runtime of $target: build it with Gradle", error)
        }
    }

    /** Null on other processors than 64-bit ARM. */
    private fun armFeatures(): CpuFeatures? {
        if (Build.SUPPORTED_ABIS.firstOrNull() != "arm64-v8a") return null
        return try {
            CpuFeatures.parse(File("/proc/cpuinfo").readText())
        } catch (error: IOException) {
            null
        }
    }
}
