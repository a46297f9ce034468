import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jetbrains.kotlin.cli.common.ExitCode;
import org.jetbrains.kotlin.cli.jvm.K2JVMCompiler;

/**
 * Compiles Kotlin modules one after another, each with the arguments in a file, one a line.
 *
 * <p>In one virtual machine, whose compiler is warm after the first module.
 */
final class CompileModules {
  public static void main(String[] files) throws Exception {
    for (String file : files) {
      List<String> arguments = Files.readAllLines(Path.of(file));
      ExitCode code = new K2JVMCompiler().exec(System.err, arguments.toArray(new String[0]));
      if (code != ExitCode.OK) {
        System.exit(code.getCode());
      }
    }
  }
}
