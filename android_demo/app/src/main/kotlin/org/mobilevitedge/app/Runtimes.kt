package org.mobilevitedge.app

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

/** The adapters of this app. A further runtime is a module beside them, and a line here. */
object Runtimes {
    private val adapters: Map<String, (Bundle, Int) -> Classifier> = mapOf(
        "onnx" to { bundle, threads -> OnnxClassifier(bundle, threads) },
        "executorch" to { bundle, threads -> ExecuTorchClassifier(bundle, threads, armFeatures()) },
        "litert" to { bundle, threads -> LiteRTClassifier(bundle, threads) },
    )

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
